#pragma once

#include <cstdint>
#include <vector>

#include "rapt/nn/models/decoder_only.h"

namespace rapt::nn {

struct GenerateOptions {
  int64_t max_tokens = 100;  ///< tokens to add at most
  /// What the logits are divided by before the draw: below 1 sharpens. 0 takes the most probable
  /// token each time (greedy).
  double temperature = 1;
  int64_t top_k = 0;  ///< draw among the k most probable tokens; 0: among all
  int64_t stop = -1;  ///< end after this token, which is part of the result; -1: none
};

/// Continues `prompt` token by token and returns what was added. The model runs in evaluation
/// mode (EvalMode), and sees at most its context's last tokens.
/// Throws when the prompt is empty, an id is outside the vocabulary, or an option is out of range.
std::vector<int64_t> generate(const DecoderOnly& model, const std::vector<int64_t>& prompt,
                              const GenerateOptions& options, Rng& rng);

}  // namespace rapt::nn
