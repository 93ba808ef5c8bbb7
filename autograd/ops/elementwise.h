#pragma once

#include "rapt/autograd/tensor.h"

/// Functions of each element.
namespace rapt {

Tensor exp(const Tensor& x);
/// exp(x) - 1, without loss of digits near 0.
Tensor expm1(const Tensor& x);
Tensor log(const Tensor& x);
/// log(1 + x), without loss of digits near 0.
Tensor log1p(const Tensor& x);
/// x * x, in one pass.
Tensor square(const Tensor& x);
Tensor sqrt(const Tensor& x);
/// 1 / sqrt(x).
Tensor rsqrt(const Tensor& x);
/// |x|, with gradient 0 at 0; i64 too.
Tensor abs(const Tensor& x);
/// -1, 0 or 1; i64 too. Here and in the roundings below the gradient is 0.
Tensor sign(const Tensor& x);
Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
/// To the nearest whole number, of two equally near to the even one.
Tensor round(const Tensor& x);
/// Towards 0.
Tensor trunc(const Tensor& x);

Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tan(const Tensor& x);
/// NaN outside of [-1, 1].
Tensor asin(const Tensor& x);
/// NaN outside of [-1, 1].
Tensor acos(const Tensor& x);
Tensor atan(const Tensor& x);
Tensor sinh(const Tensor& x);
Tensor cosh(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor erf(const Tensor& x);

}  // namespace rapt
