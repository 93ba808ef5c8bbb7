#pragma once

#include <vector>

#include "rapt/autograd/tensor.h"

/// The same elements under other shapes. Any dtype.
namespace rapt {

/// The same elements in row-major order under another shape; one length may be -1. A view where
/// the strides allow it, else a copy.
Tensor reshape(const Tensor& x, const Shape& shape);
/// View: axis i of the result is axis order[i] of x.
Tensor permute(const Tensor& x, const Axes& order);
/// View with two axes exchanged; by default the last two.
Tensor transpose(const Tensor& x, Int a = -2, Int b = -1);
/// View in which axes of length 1 are stretched, and new ones put in front. -1 keeps a length.
Tensor expand(const Tensor& x, const Shape& shape);
/// View without an axis of length 1; throws when its length is another.
Tensor squeeze(const Tensor& x, Int axis);
/// View with a new axis of length 1 at that place of the result.
Tensor unsqueeze(const Tensor& x, Int axis);
/// View of the indices begin, begin + step, ... below end along one axis. Negative begin and end
/// count from the end; both are cut to the axis. A negative step goes down from begin to above end,
/// as in Python, and gives a copy; the end that lets it reach index 0 is -length - 1 or less.
Tensor slice(const Tensor& x, Int axis, Int begin, Int end, Int step = 1);
/// View of one index along an axis, which vanishes.
Tensor select(const Tensor& x, Int axis, Int index);
/// Views of consecutive pieces along an axis; the sizes add up to its length.
Tensors split(const Tensor& x, const std::vector<int64_t>& sizes, Int axis = 0);
/// One after another along an axis; the other lengths agree.
Tensor concat(TensorList parts, Int axis = 0);
/// Side by side along a new axis; the shapes agree.
Tensor stack(TensorList parts, Int axis = 0);

}  // namespace rapt
