#pragma once

#include <cstdint>

#include "rapt/autograd/philox_key.h"

namespace rapt::kernels {

/// y[i] = x[i] / (1 - p), or 0 with probability p: the i-th draw after `at` decides.
template <class T>
void dropout(int64_t count, const T* x, double p, PhiloxKey at, T* y);
/// Blocks of draws that `count` elements take.
int64_t dropout_blocks(int64_t count);

}  // namespace rapt::kernels
