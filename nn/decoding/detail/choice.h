#pragma once

// Private to decoding: what generate and beam_search share.

#include "rapt/autograd/tensor.h"
#include "rapt/nn/decoding/token_rules.h"

namespace rapt::nn {

/// Throws unless they make sense for so many tokens. `function` is what the user called.
void check_rules(const char* function, const TokenRules& rules, const StopRules& stop,
                 int64_t vocabulary);
void check_prompts(const char* function, const std::vector<TokenSequence>& prompts);

/// Rows of logits or of their logarithms, [n, vocabulary], as double. Throws for NaN, and for a row
/// of -inf alone.
std::vector<std::vector<double>> rows_of(const char* function, const Tensor& logits);

/// The logits by the rules, for a sequence that began with `prompt`; -inf cannot be chosen. Throws
/// if all are.
void apply_rules(const char* function, const TokenRules& rules, const StopRules& stop,
                 const TokenSequence& prompt, const TokenSequence& generated,
                 std::vector<double>& logits);

/// True when a sequence that ends with these has to end.
bool is_stopped(const StopRules& stop, const TokenSequence& generated);

}  // namespace rapt::nn
