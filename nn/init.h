#pragma once

#include <numbers>

#include "rapt/autograd/random.h"
#include "rapt/autograd/tensor.h"

/// Initial weights, as f32. `shape` is [out, in], or [out, in, ...] for a kernel with a receptive
/// field; fan_in = in * the rest, fan_out = out * the rest. Each throws for fewer than two axes.
namespace rapt::nn {

/// Which side of a weight the Kaiming initialisations keep the variance on.
enum class Fan { in, out };

/// Uniform in +-gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, AISTATS 2010).
Tensor xavier_uniform(const Shape& shape, Rng& rng, double gain = 1);
/// Normal, with standard deviation gain * sqrt(2 / (fan_in + fan_out)).
Tensor xavier_normal(const Shape& shape, Rng& rng, double gain = 1);

/// Uniform in +-gain * sqrt(3 / fan) (arXiv:1502.01852). The default gain, sqrt(2), is relu's.
Tensor kaiming_uniform(const Shape& shape, Rng& rng, double gain = std::numbers::sqrt2,
                       Fan fan = Fan::in);
/// Normal, with standard deviation gain / sqrt(fan).
Tensor kaiming_normal(const Shape& shape, Rng& rng, double gain = std::numbers::sqrt2,
                      Fan fan = Fan::in);

/// GPT-2's: normal, with standard deviation `stddev`, divided by sqrt(residuals) for a map that
/// ends one of so many residual branches (two for each block), so that their sum does not grow with
/// depth. Any shape.
Tensor gpt2_normal(const Shape& shape, Rng& rng, int64_t residuals = 1, double stddev = 0.02);

}  // namespace rapt::nn
