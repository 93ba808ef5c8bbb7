#include "rapt/nn/init.h"

#include <cmath>

namespace rapt::nn {
namespace {

struct Fans {
  double in, out;
};

Fans fans_of(const char* op, const Shape& shape) {
  if (shape.rank() < 2)
    fail(op, ": wanted a shape of two axes or more, [out, in, ...]; got ", shape);
  double field = 1;
  for (int64_t axis = 2; axis < shape.rank(); ++axis) field *= static_cast<double>(shape[axis]);
  return {field * static_cast<double>(shape[1]), field * static_cast<double>(shape[0])};
}

double xavier_stddev(const char* op, const Shape& shape, double gain) {
  const Fans fans = fans_of(op, shape);
  return gain * std::sqrt(2 / (fans.in + fans.out));
}

double kaiming_stddev(const char* op, const Shape& shape, double gain, Fan fan) {
  const Fans fans = fans_of(op, shape);
  return gain / std::sqrt(fan == Fan::in ? fans.in : fans.out);
}

/// Uniform around 0 with that standard deviation.
Tensor uniform_of(const Shape& shape, Rng& rng, double stddev) {
  const double bound = std::sqrt(3.0) * stddev;
  return rng.uniform(shape, -bound, bound);
}

}  // namespace

Tensor xavier_uniform(const Shape& shape, Rng& rng, double gain) {
  return uniform_of(shape, rng, xavier_stddev("xavier_uniform", shape, gain));
}

Tensor xavier_normal(const Shape& shape, Rng& rng, double gain) {
  return rng.normal(shape, 0, xavier_stddev("xavier_normal", shape, gain));
}

Tensor kaiming_uniform(const Shape& shape, Rng& rng, double gain, Fan fan) {
  return uniform_of(shape, rng, kaiming_stddev("kaiming_uniform", shape, gain, fan));
}

Tensor kaiming_normal(const Shape& shape, Rng& rng, double gain, Fan fan) {
  return rng.normal(shape, 0, kaiming_stddev("kaiming_normal", shape, gain, fan));
}

Tensor gpt2_normal(const Shape& shape, Rng& rng, int64_t residuals, double stddev) {
  if (residuals < 1) fail("gpt2_normal: wanted residuals >= 1; got ", residuals);
  return rng.normal(shape, 0, stddev / std::sqrt(static_cast<double>(residuals)));
}

}  // namespace rapt::nn
