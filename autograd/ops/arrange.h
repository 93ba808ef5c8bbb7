#pragma once

#include "rapt/autograd/tensor.h"

/// The same elements in other places, or several times; made of the views of shape.h. Any dtype.
namespace rapt {

/// Each of the axes in the opposite order.
Tensor flip(const Tensor& x, const Axes& axes);
/// Along an axis, what was at i is at i + shift; what is pushed out at one end comes in at the
/// other.
Tensor roll(const Tensor& x, Int shift, Int axis);
/// x as often along each axis as `times` says; axes of length 1 are put in front where that is
/// longer than x's shape, and ones in front of `times` where it is shorter.
Tensor repeat(const Tensor& x, const Shape& times);
/// `before` elements of that value in front of an axis, and `after` behind it.
Tensor pad(const Tensor& x, Int axis, Int before, Int after, double value = 0);

/// Views of n consecutive pieces along an axis, of equal lengths but the last, which may be
/// shorter; of fewer pieces if the axis is too short.
Tensors chunk(const Tensor& x, Int n, Int axis = 0);
/// Views of all indices along an axis, which vanishes.
Tensors unbind(const Tensor& x, Int axis = 0);
/// View in which an axis has another place among the others, which keep their order.
Tensor movedim(const Tensor& x, Int from, Int to);

}  // namespace rapt
