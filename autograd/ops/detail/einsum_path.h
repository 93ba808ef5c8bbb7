#pragma once

// Private to rapt's own sources: in which order einsum contracts its operands.

#include <cstddef>

#include "rapt/autograd/ops/detail/einsum_equation.h"

namespace rapt::einsum_detail {

/// Two things to contract: operands are numbered from 0, and what step i makes comes behind them,
/// at (number of operands) + i.
struct Step {
  size_t left;
  size_t right;
};

struct Path {
  PoolVector<Step> steps;  // one fewer than operands
  double cost = 0;         // multiplications plus elements written
};

/// The cheapest order of pairs: exact (dynamic programming over subsets) up to `exact_limit`
/// operands, above that the pair that shrinks memory most, one after another. What neither the
/// output nor another operand needs is summed out at once, so it never enters a product. Throws
/// when no order keeps every intermediate result within 8 axes.
Path contraction_path(const LabelSets& operands, LabelSet output, const Lengths& lengths);

constexpr size_t exact_limit = 8;

}  // namespace rapt::einsum_detail
