#pragma once

#include "rapt/nn/decoding/token_model.h"
#include "rapt/nn/decoding/token_rules.h"

namespace rapt::nn {

struct BeamOptions {
  int64_t beams = 4;   ///< continuations that are kept of each prompt
  int64_t n_best = 1;  ///< results of each prompt, <= beams
  int64_t max_tokens = 100;
  /// A result's score is its log probability / length^length_penalty: 0 for the plain sum, above 0
  /// for longer results (GNMT's form with (5 + length) / 6, arXiv:1609.08144, orders alike).
  double length_penalty = 1;
  TokenSequence stop = {};                         ///< a sequence ends with one of these
  std::vector<TokenSequence> stop_sequences = {};  ///< or with all of one of these
  TokenRules rules = {};
};

struct Hypothesis {
  TokenSequence tokens;        ///< what was added, with the token that it ends with
  double log_probability = 0;  ///< sum of log softmax of the tokens, by the rules
  double score = 0;
  bool is_stopped = false;  ///< it ended by itself: else at max_tokens, or the model's end
};

/// Beam search: of each prompt the n_best continuations found, best first. Each step keeps the
/// `beams` most probable continuations that go on, and notes those that end among the first `beams`
/// of all; it ends when there are as many of these as beams, and none that goes on scores better
/// than the worst of them does now. Equal scores: the beam, then the token that comes first.
///
/// Prompts may have any lengths; a prompt's results are the same alone and among others. See
/// generate for how the model runs and what throws.
std::vector<std::vector<Hypothesis>> beam_search(const TokenModel& model,
                                                 const std::vector<TokenSequence>& prompts,
                                                 const BeamOptions& options);

}  // namespace rapt::nn
