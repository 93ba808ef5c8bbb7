#pragma once

#include "rapt/autograd/tensor.h"

/// Elements by number, read: `index` is i64; an index outside the axis throws, naming it. Of any
/// dtype.
namespace rapt {

/// The slices of x at index [N] along an axis, which gets length N.
Tensor index_select(const Tensor& x, Int axis, const Tensor& index);
/// out[.., i, ..] = x[.., index[.., i, ..], ..]: index has x's rank, and on the other axes lengths
/// no larger than x's.
Tensor gather(const Tensor& x, Int axis, const Tensor& index);
/// The same where x and index broadcast on the other axes: x's elements at what argmax or argsort
/// gave, say.
Tensor take_along_dim(const Tensor& x, const Tensor& index, Int axis);
/// x[i, j, ...]: an index for each of the first axes of x. They broadcast to one shape, which takes
/// the place of those axes.
Tensor index_get(const Tensor& x, TensorList indices);

/// weight [V, ...], ids i64 of any shape -> ids' shape + [...].
Tensor embedding(const Tensor& weight, const Tensor& ids);
/// ids i64 of any shape -> that shape + [classes]: 1 at the id, else 0. No gradient.
Tensor one_hot(const Tensor& ids, Int classes, Dtype dtype = Dtype::f32);

/// The indices of what is true, or other than 0 (NaN is), in row-major order: i64 [n, rank of x].
Tensor nonzero(const Tensor& x);
/// The elements of x where `mask` (b8) is true, in row-major order: [n]. The two broadcast.
Tensor masked_select(const Tensor& x, const Tensor& mask);

}  // namespace rapt
