#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "rapt/autograd/tensor.h"

namespace rapt::fuzz {

/// What an equation means, by loops over every index of every label: slow, and written from the
/// words of ops.h alone.
struct PlainResult {
  Shape shape;
  std::vector<double> values;
};

/// Nothing where the equation or the operands' shapes are wrong.
std::optional<PlainResult> plain_einsum(std::string_view equation, const Tensors& operands);

/// How many terms plain_einsum would add up; 0 where it gives nothing.
int64_t plain_einsum_terms(std::string_view equation, const Tensors& operands);

}  // namespace rapt::fuzz
