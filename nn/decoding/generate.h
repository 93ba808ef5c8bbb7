#pragma once

#include "rapt/autograd/random.h"
#include "rapt/nn/decoding/token_model.h"
#include "rapt/nn/decoding/token_rules.h"

namespace rapt::nn {

struct GenerateOptions {
  int64_t max_tokens = 100;  ///< so many are added at most
  /// What the logits are divided by before the draw: below 1 sharpens. 0 takes the most probable
  /// token each time, the first of several (greedy).
  double temperature = 1;
  // Each of these leaves fewer tokens to draw from, in this order, one at least:
  int64_t top_k = 0;     ///< the k most probable (arXiv:1805.04833); 0: all
  double top_p = 1;      ///< the fewest that are as probable as this together (arXiv:1904.09751)
  double min_p = 0;      ///< those at least this times as probable as the first (arXiv:2407.01082)
  double typical_p = 1;  ///< the fewest, those whose log p is nearest to its mean first, that are
                         ///< as probable as this together (arXiv:2202.00666)
  TokenSequence stop = {};                         ///< a sequence ends with one of these
  std::vector<TokenSequence> stop_sequences = {};  ///< or with all of one of these
  TokenRules rules = {};
};

struct Generated {
  TokenSequence tokens;        ///< what was added, with the token that it ends with
  double log_probability = 0;  ///< sum of log softmax(logits) of the tokens, as the model has them
  bool is_stopped = false;     ///< it ended by itself: else at max_tokens, or the model's end
};

/// Continues `prompt` token by token and returns what was added.
///
///   nn::generate(model, {1, 2}, {.max_tokens = 20, .temperature = 0.8, .top_p = 0.95}, rng)
///
/// The model runs in evaluation mode (EvalMode), without a graph, with a cache where it has one:
/// the tokens are those of recomputation. Throws when the prompt is empty, a token is outside the
/// vocabulary, an option is out of range, or logits are NaN.
TokenSequence generate(const TokenModel& model, const TokenSequence& prompt,
                       const GenerateOptions& options, Rng& rng);

/// The same of several prompts, of any lengths, side by side. Each draws from a stream of its own,
/// forked from rng in their order.
std::vector<Generated> generate_each(const TokenModel& model,
                                     const std::vector<TokenSequence>& prompts,
                                     const GenerateOptions& options, Rng& rng);

}  // namespace rapt::nn
