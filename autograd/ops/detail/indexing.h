#pragma once

// Private to the ops: elements by number.

#include "rapt/autograd/tensor.h"

namespace rapt {

/// Throws for an index that lies outside of [0, length), naming the first.
[[noreturn]] void fail_index(const char* op, const Tensor& index, int64_t length);
/// The indices as a dense tensor, each checked to lie in [0, length).
Tensor checked_index(const char* op, const Tensor& index, int64_t length);

/// Throws unless index has the rank of x and, off the axis, lengths no larger than its.
void require_index_shape(const char* op, const Shape& x, int64_t axis, const Shape& index);

/// The index in row-major order, unless it is a view that repeats its elements: as such it is
/// walked where it lies, but what is permuted would be read across memory.
Tensor dense_or_repeated(const Tensor& index);

/// The slices of x at index [N], which has been checked, as an op: index_select.
Tensor slices_at(const Tensor& x, int64_t axis, const Tensor& index);
/// Slices of `source` added up by index into zeros of that shape: its adjoint.
Tensor sum_of_slices(const Shape& shape, int64_t axis, const Tensor& index, const Tensor& source);

/// out[.., i, ..] = x[.., index[.., i, ..], ..], as an op: gather. index may be a view that repeats
/// its elements, as all of these. Throws in `op`'s name where it points outside.
Tensor elements_at(const char* op, const Tensor& x, int64_t axis, const Tensor& index);
/// Elements of `source` added up by index into zeros of that shape: its adjoint.
Tensor sum_of_elements(const char* op, const Shape& shape, int64_t axis, const Tensor& index,
                       const Tensor& source);
/// x, with the elements of `source` in place of those that the index names; of several for one
/// place, the last. As an op.
Tensor with_elements(const char* op, const Tensor& x, int64_t axis, const Tensor& index,
                     const Tensor& source);

/// The first axes of a tensor, as many as there are indices, seen as one.
struct IndexedAxes {
  Tensor index;  // [N], places on that one axis, checked
  Shape flat;    // of the tensor: that axis, and the others
  Shape shape;   // of what is there: the indices', broadcast, and the other axes
};
IndexedAxes index_axes(const char* op, const Shape& x, TensorList indices);

}  // namespace rapt
