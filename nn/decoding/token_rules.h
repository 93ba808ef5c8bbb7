#pragma once

#include <cstdint>
#include <vector>

namespace rapt::nn {

using TokenSequence = std::vector<int64_t>;

/// What is made of the logits before a token is chosen.
struct TokenRules {
  /// Logits of tokens that were seen, in the prompt too: divided by this if above 0, else times it
  /// (arXiv:1909.05858). >= 1
  double repetition_penalty = 1;
  double frequency_penalty = 0;  ///< is taken away for each time a token was generated
  double presence_penalty = 0;   ///< is taken away if it was generated
  TokenSequence forbidden = {};  ///< are never chosen
  TokenSequence forced = {};     ///< the first tokens, whatever the model says
  int64_t min_tokens = 0;        ///< none of StopRules::tokens before so many
};

/// When a sequence ends.
struct StopRules {
  int64_t max_tokens = 100;                   ///< so many are generated at most
  TokenSequence tokens = {};                  ///< behind one of these, which is the last
  std::vector<TokenSequence> sequences = {};  ///< behind one of these, likewise
};

}  // namespace rapt::nn
