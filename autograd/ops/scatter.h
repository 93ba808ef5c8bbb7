#pragma once

#include "rapt/autograd/tensor_or_number.h"

/// Elements by number, written into a new tensor: `index` is i64; an index outside the axis throws,
/// naming it. x keeps what no index names. Of any dtype where nothing else is said.
namespace rapt {

/// x, with source's i-th slice added at index[i] along an axis; repeated indices add up. f32, f64,
/// i64.
Tensor index_add(const Tensor& x, Int axis, const Tensor& index, const Tensor& source);
/// x, with source[.., i, ..] in place of the element at [.., index[.., i, ..], ..]. index has x's
/// rank, and on the other axes lengths no larger than x's; source has its shape, or is a number. Of
/// several for one place the last counts, in the order of i, and the gradient goes to it alone.
Tensor scatter(const Tensor& x, Int axis, const Tensor& index, TensorOrNumber source);
/// The same, source[.., i, ..] added to the element; the adjoint of gather. f32, f64, i64.
Tensor scatter_add(const Tensor& x, Int axis, const Tensor& index, const Tensor& source);

enum class Reduce { sum, prod, max, min };
/// The same, the element and all that go to its place reduced to one: as sum, prod, max and min do,
/// with their gradients. f32, f64, i64.
Tensor scatter_reduce(const Tensor& x, Int axis, const Tensor& index, const Tensor& source,
                      Reduce reduce);

struct IndexPutOptions {
  bool accumulate = false;  ///< add to what is there; repeated indices add up. Not of b8
};
/// x with x[i, j, ...] = values: an index for each of the first axes of x. They broadcast to one
/// shape, and `values` to that shape and the other axes. Of several for one place the last counts.
Tensor index_put(const Tensor& x, TensorList indices, TensorOrNumber values,
                 IndexPutOptions options = {});

}  // namespace rapt
