#pragma once

// Private to rapt's own sources: how GPT-2 cuts a text before it encodes it.

#include <string_view>

#include "rapt/autograd/function_ref.h"

namespace rapt::data::detail {

/// Calls f for the pieces of a UTF-8 text, one after another, which are all of it. A piece is what
/// GPT-2's expression finds, the first of its alternatives that fits at a place:
///
///   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
///
/// Throws naming a byte that is not UTF-8.
void for_each_gpt2_piece(std::string_view text, FunctionRef<void(std::string_view)> f);

}  // namespace rapt::data::detail
