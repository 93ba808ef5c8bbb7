#pragma once

#include "rapt/autograd/tensor.h"

namespace rapt::nn {

/// [length, width]: sin(t / 10000^(2i / width)) at [t, 2i] and the cosine at [t, 2i + 1]
/// (arXiv:1706.03762, section 3.5). Constant.
Tensor sinusoidal_positions(int64_t length, int64_t width, Dtype dtype = Dtype::f32);

}  // namespace rapt::nn
