#pragma once

#include "rapt/autograd/tensor_or_number.h"

/// One of several elements.
namespace rapt {

/// The larger of the two; where they are equal each gets half of the gradient.
Tensor maximum(TensorOrNumber a, TensorOrNumber b);
/// The smaller of the two; where they are equal each gets half of the gradient.
Tensor minimum(TensorOrNumber a, TensorOrNumber b);
/// x held inside [low, high], of which either may be infinite; i64 too. The gradient passes where
/// low <= x <= high.
Tensor clamp(const Tensor& x, double low, double high);
/// a where `condition` (b8) is true, else b.
Tensor where(const Tensor& condition, TensorOrNumber a, TensorOrNumber b);
/// x, with `value` where `mask` (b8, broadcast to x's shape) is true.
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);

}  // namespace rapt
