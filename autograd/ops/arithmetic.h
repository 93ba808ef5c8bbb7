#pragma once

#include "rapt/autograd/tensor_or_number.h"

/// Arithmetic of two tensors, or of a tensor and a number on either side; i64 too.
namespace rapt {

Tensor add(TensorOrNumber a, TensorOrNumber b);
Tensor sub(TensorOrNumber a, TensorOrNumber b);
Tensor mul(TensorOrNumber a, TensorOrNumber b);
/// f32 and f64 only: what becomes of the fraction of i64 is to be said, below.
Tensor div(TensorOrNumber a, TensorOrNumber b);
enum class Rounding { floor, trunc };  ///< down, or towards 0
/// a / b as a whole number. The gradient is 0. An i64 divisor of 0 throws.
Tensor div(TensorOrNumber a, TensorOrNumber b, Rounding rounding);
/// a - b floor(a / b), of b's sign, as Python's %; the gradient does not see the jumps. An i64
/// divisor of 0 throws; a float one gives NaN.
Tensor remainder(TensorOrNumber a, TensorOrNumber b);
/// a - b trunc(a / b), of a's sign, as C's % and fmod.
Tensor fmod(TensorOrNumber a, TensorOrNumber b);
Tensor neg(const Tensor& x);
/// base^exponent, with the edges of C's pow. At a base of 0 the gradient is that of the limit:
/// exponent * 0^(exponent - 1), and 0 for an exponent of 0; the exponent's is 0 there for exponents
/// of at least 0. i64 takes exponents of at least 0.
Tensor pow(TensorOrNumber base, TensorOrNumber exponent);

}  // namespace rapt
