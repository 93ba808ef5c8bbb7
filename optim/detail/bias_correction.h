#pragma once

// Private to rapt's own sources.

#include <cstdint>

#include "rapt/autograd/kernels/portable.h"

namespace rapt::optim::detail {

/// 1 - beta^t: what an average that starts at 0 has to be divided by after t steps. 0^t is 0.
inline double bias_correction(double beta, int64_t t) {
  return beta == 0 ? 1 : 1 - kernels::portable::pow(beta, static_cast<double>(t));
}

}  // namespace rapt::optim::detail
