#pragma once

#include "rapt/autograd/tensor.h"

/// What runs along an axis: each element of the result is made of those up to its place. f32 is
/// added up in f64.
namespace rapt {

/// y[i] = x[0] + ... + x[i]; i64 too.
Tensor cumsum(const Tensor& x, Int axis);
/// y[i] = x[0] * ... * x[i]; i64 too. The gradient divides by nothing: zeros are like any number.
Tensor cumprod(const Tensor& x, Int axis);
/// y[i] = log(exp(x[0]) + ... + exp(x[i])), without overflow; -inf where all are, with gradient 0.
Tensor logcumsumexp(const Tensor& x, Int axis);

}  // namespace rapt
