#pragma once

// Private to the ops: where a new tensor's axes lie in memory.

#include <algorithm>
#include <initializer_list>

#include "rapt/autograd/tensor.h"

namespace rapt {

/// As std::stable_sort, which would ask the heap for room: for a few axes.
template <class Before>
void sort_axes(int64_t* first, int64_t* last, Before before) {
  for (int64_t* next = first; next != last; ++next) {
    std::rotate(std::upper_bound(first, next, *next, before), next, next + 1);
  }
}

/// All axes but the last two.
Shape leading_axes(const Tensor& x);
/// [batch..., rows, columns].
Shape matrices_shape(const Shape& batch, int64_t rows, int64_t columns);

/// The strides of x read along `shape`, to which it broadcasts: 0 where it is stretched.
Strides strides_along(const Tensor& x, const Shape& shape);
/// The same of all axes but the last two, along the axes of a batch.
Strides batch_strides(const Tensor& x, const Shape& batch);

/// The axes of x in the order in which they lie in memory, the outermost first.
Axes axes_in_memory(const Tensor& x);

/// A tensor of that shape that is not set yet: its last axis dense, the others in memory in the
/// order of `like`'s (where the ranks agree). So heads that were split off as views are joined
/// again as views.
Tensor empty_like(const Tensor& like, const Shape& shape);

/// A tensor that is not set yet, for an op that works element by element: laid out as the first
/// operand of that shape that is dense in some order of its axes, so that neither is read or
/// written across memory; without such an operand, row-major.
Tensor empty_result(const Shape& shape, Dtype dtype, std::initializer_list<const Tensor*> operands);

}  // namespace rapt
