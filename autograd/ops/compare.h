#pragma once

#include "rapt/autograd/tensor_or_number.h"

/// b8 results, without a gradient; of any dtype, both the same.
namespace rapt {

Tensor equal(TensorOrNumber a, TensorOrNumber b);
Tensor not_equal(TensorOrNumber a, TensorOrNumber b);
Tensor less(TensorOrNumber a, TensorOrNumber b);
Tensor less_equal(TensorOrNumber a, TensorOrNumber b);
Tensor greater(TensorOrNumber a, TensorOrNumber b);
Tensor greater_equal(TensorOrNumber a, TensorOrNumber b);
/// b8 arguments.
Tensor logical_and(const Tensor& a, const Tensor& b);
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_not(const Tensor& a);
/// True where x is neither inf nor NaN; is one of inf and -inf; is NaN.
Tensor isfinite(const Tensor& x);
Tensor isinf(const Tensor& x);
Tensor isnan(const Tensor& x);

}  // namespace rapt
