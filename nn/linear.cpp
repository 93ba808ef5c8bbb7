#include "rapt/nn/linear.h"

#include <cmath>

#include "rapt/autograd/ops.h"

namespace rapt::nn {
namespace {

Tensor uniform_by_fan_in(const Shape& shape, int64_t in, Rng& rng) {
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  return rng.uniform(shape, -bound, bound);
}

}  // namespace

Linear::Linear(int64_t in, int64_t out, Rng& rng, LinearOptions options) {
  if (in < 1 || out < 1) fail("Linear: wanted in >= 1 and out >= 1; got ", in, " and ", out);
  weight = parameter("weight", uniform_by_fan_in({out, in}, in, rng));
  if (options.bias) bias = parameter("bias", uniform_by_fan_in({out}, in, rng));
}

Tensor Linear::operator()(const Tensor& x) const {
  return call(x, [&] { return linear(x, weight, bias); });
}

}  // namespace rapt::nn
