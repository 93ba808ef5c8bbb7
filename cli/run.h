#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/options.h"
#include "rapt/data/data.h"
#include "rapt/nn/transformer.h"

namespace rapt::cli {

/// What a run folder holds, brought to life: the options, the data and the model.
struct Run {
  RunOptions options;
  int64_t step = 0;  ///< steps done
  std::shared_ptr<const data::Dataset> train, test;
  std::optional<data::TaskDataset> task;         ///< when it is a toy task
  std::optional<data::Vocabulary> vocabulary;    ///< when it is a text
  std::optional<nn::Transformer> model;
};

/// Sequences that a run is tested on.
inline constexpr int64_t test_sequences = 1000;

/// A run that has not begun: reads the text, if any, and draws the model's weights.
Run start(const RunOptions& options);

/// A run from its newest checkpoint, which is returned too. `with_data`: also the datasets, for
/// which a text has to be read again. Throws when the folder holds no run.
struct Opened {
  Run run;
  data::Checkpoint checkpoint;
};
Opened open(const std::string& folder, bool with_data);

/// True when the folder holds the checkpoints of a run.
bool holds_run(const std::string& folder);

}  // namespace rapt::cli
