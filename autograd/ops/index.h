#pragma once

#include "rapt/autograd/tensor.h"

/// Elements by number: `index` is i64; an index outside the axis throws, naming it.
namespace rapt {

/// The slices of x at index [N] along an axis, which gets length N.
Tensor index_select(const Tensor& x, Int axis, const Tensor& index);
/// x, with source's i-th slice added at index[i] along an axis; repeated indices add up.
Tensor index_add(const Tensor& x, Int axis, const Tensor& index, const Tensor& source);
/// out[.., i, ..] = x[.., index[.., i, ..], ..]: index has x's rank, and on the other axes lengths
/// no larger than x's.
Tensor gather(const Tensor& x, Int axis, const Tensor& index);
/// x, with source[.., i, ..] added at [.., index[.., i, ..], ..]; the adjoint of gather. source has
/// index's shape.
Tensor scatter_add(const Tensor& x, Int axis, const Tensor& index, const Tensor& source);
/// weight [V, ...], ids i64 of any shape -> ids' shape + [...].
Tensor embedding(const Tensor& weight, const Tensor& ids);
/// ids i64 of any shape -> that shape + [classes]: 1 at the id, else 0. No gradient.
Tensor one_hot(const Tensor& ids, Int classes, Dtype dtype = Dtype::f32);

}  // namespace rapt
