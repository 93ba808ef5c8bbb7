#pragma once

// Private to the ops.

#include <algorithm>
#include <cmath>

#include "rapt/autograd/ops.h"

namespace rapt {

/// The rows of x at length 1, x / |x|: rms_norm's are sqrt(d) times as long. 0 stays 0, and its
/// gradient is finite.
inline Tensor at_unit_length(const Tensor& x) {
  const auto width = static_cast<double>(std::max<int64_t>(x.size(-1), 1));
  return rms_norm(x, {}, {.eps = 1e-24}) / std::sqrt(width);
}

}  // namespace rapt
