#pragma once

// Private to rapt's own sources: what an einsum equation says.

#include <array>
#include <cstdint>
#include <string_view>

#include "rapt/autograd/shape.h"
#include "rapt/autograd/tensor.h"

namespace rapt::einsum_detail {

/// A label is a number: the letters in alphabetical order (upper case first, as ASCII has it), then
/// the axes that "..." stands for, counted from its last.
constexpr int64_t letters = 52;
constexpr int64_t max_labels = letters + Dims::max_rank;

/// A list of labels, one per axis.
using Labels = Dims;

/// A set of labels, one bit each.
using LabelSet = uint64_t;
using LabelSets = PoolVector<LabelSet>;

constexpr LabelSet bit(int64_t label) { return LabelSet{1} << label; }

inline LabelSet set_of(const Labels& labels) {
  LabelSet set = 0;
  for (const int64_t label : labels) set |= bit(label);
  return set;
}

/// The length of every label; 1 for a label that is not used.
using Lengths = std::array<int64_t, max_labels>;

struct Equation {
  PoolVector<Labels> terms;  // one per operand, one label per axis
  Labels output;             // none twice
  Lengths lengths;
};

/// Reads `equation` and holds it against the operands' shapes; throws where they disagree.
Equation parse(std::string_view equation, TensorList operands);

}  // namespace rapt::einsum_detail
