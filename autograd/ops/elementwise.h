#pragma once

#include "rapt/autograd/tensor_or_number.h"

/// Functions of each element. Arithmetic works on i64 too. What holds for all functions: ../ops.h.
namespace rapt {

Tensor add(TensorOrNumber a, TensorOrNumber b);
Tensor sub(TensorOrNumber a, TensorOrNumber b);
Tensor mul(TensorOrNumber a, TensorOrNumber b);
/// f32 and f64 only.
Tensor div(TensorOrNumber a, TensorOrNumber b);
Tensor neg(const Tensor& x);
/// The larger of the two; where they are equal each gets half of the gradient.
Tensor maximum(TensorOrNumber a, TensorOrNumber b);
/// The smaller of the two; where they are equal each gets half of the gradient.
Tensor minimum(TensorOrNumber a, TensorOrNumber b);
/// x held inside [low, high]; the gradient passes where low <= x <= high.
Tensor clamp(const Tensor& x, double low, double high);
/// a where `condition` (b8) is true, else b.
Tensor where(const Tensor& condition, TensorOrNumber a, TensorOrNumber b);
/// x, with `value` where `mask` (b8, broadcast to x's shape) is true.
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);

Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
/// x * x, in one pass.
Tensor square(const Tensor& x);
Tensor sqrt(const Tensor& x);
/// 1 / sqrt(x).
Tensor rsqrt(const Tensor& x);
/// x^exponent. At x = 0 the gradient is that of the limit: exponent * 0^(exponent - 1).
Tensor pow(const Tensor& x, double exponent);
/// |x|, with gradient 0 at 0.
Tensor abs(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);

}  // namespace rapt
