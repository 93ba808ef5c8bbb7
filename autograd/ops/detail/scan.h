#pragma once

// Private to the ops: what runs along an axis, from either end.

#include "rapt/autograd/tensor.h"

namespace rapt {

enum class From { begin, end };

/// y[i] = y[i-1] * x[i], from the first element on; or y[i] = y[i+1] * x[i], from the last.
Tensor running_product(const Tensor& x, int64_t axis, From from);

/// y[i] = a[i] y[i-1] + b[i] from the first element on, or a[i] y[i+1] + b[i] from the last.
Tensor linear_recurrence(const Tensor& a, const Tensor& b, int64_t axis, From from);

/// x moved by one place away from where it is gone through from, where `fill` comes in: what came
/// before, at each place.
Tensor before(const Tensor& x, int64_t axis, From from, double fill);

}  // namespace rapt
