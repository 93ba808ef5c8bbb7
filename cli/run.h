#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/options.h"
#include "rapt/data/data.h"
#include "rapt/nn/models/decoder_only.h"

namespace rapt::cli {

/// What a run's folder holds, brought to life: the options, the data and the model.
struct Run {
  RunOptions options;
  int64_t step = 0;  ///< steps done
  std::shared_ptr<const data::Dataset> train, test;
  std::optional<data::TaskDataset> task;             ///< when it is a toy task
  std::shared_ptr<const data::Tokenizer> tokenizer;  ///< when it is a text
  int64_t text_hash = 0;                             ///< of its tokens, to notice another text
  Values saved;  ///< settings_of the run as its checkpoint has them; none in one of 0.1's
  std::optional<nn::DecoderOnly> model;
};

/// Sequences that a run is tested on.
inline constexpr int64_t test_sequences = 1000;

/// A run that has not begun: reads the text, if any, and draws the model's weights. Throws when
/// training would take more memory than there is.
Run start(const RunOptions& options);

/// The options as State keeps them, with what belongs to a text.
Values settings_of(const Run& run);

/// A run from its newest checkpoint. `with_data`: also the datasets, for which a text has to be
/// read again, from `moved_text` if that is given. Throws when the folder holds no run, the
/// checkpoint is not one of `rapt train`, or the text has changed.
Run open(const std::string& folder, bool with_data,
         const std::optional<std::string>& moved_text = {});

}  // namespace rapt::cli
