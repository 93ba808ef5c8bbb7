#pragma once

#include <memory>
#include <optional>
#include <string>

#include "rapt/data/dataset.h"
#include "rapt/nn/models/decoder_only.h"

namespace rapt::cli {

struct Evaluation {
  int64_t sequences = 0;
  double loss = 0;         ///< mean over the tokens that count
  double accuracy = 0;     ///< share of these tokens predicted right
  double exact_match = 0;  ///< share of the sequences predicted right throughout
};

/// Tokens that count (target >= 0), those of them predicted right, and the sequences predicted
/// right throughout.   logits [B, T, V], targets [B, T]
struct Matches {
  int64_t tokens = 0, right = 0, sequences_right = 0;
};
Matches count_matches(const Tensor& logits, const Tensor& targets);

struct EvaluateOptions {
  int64_t count = 1000;  ///< examples, from the first on; all, when there are fewer
  int64_t batch = 64;    ///< examples at a time: what the memory taken depends on
};

/// Greedy generation would give exactly the answers that are predicted right throughout, so no
/// generation is needed. The model is put in evaluation mode for the time.
Evaluation evaluate(const nn::DecoderOnly& model, std::shared_ptr<const data::Dataset> dataset,
                    const EvaluateOptions& options);

/// `rapt eval`: prints the evaluation of a run's newest checkpoint on unseen data: of a toy task
/// the share of exact answers, of a text its loss, perplexity and bits per character.
struct EvalFlags {
  std::string folder;
  std::optional<int64_t> count;  ///< sequences, or windows of a text; unset: 1000, or all
  bool json = false;
};
void eval_command(const EvalFlags& flags);

}  // namespace rapt::cli
