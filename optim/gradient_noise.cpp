#include "rapt/optim/gradient_noise.h"

#include <cmath>

#include "rapt/autograd/error.h"
#include "rapt/autograd/ops.h"

namespace rapt::optim {

void add_gradient_noise(const NamedTensors& parameters, double stddev, Rng& rng) {
  if (!(stddev >= 0 && std::isfinite(stddev))) {
    fail("add_gradient_noise: wanted a finite stddev of at least 0; got ", stddev);
  }
  if (stddev == 0) return;
  const NoGrad no_grad;
  for (const auto& [name, parameter] : parameters) {
    const Tensor gradient = parameter.grad();
    if (!gradient.defined()) continue;
    Tensor(parameter).set_grad(gradient +
                               rng.normal(gradient.shape(), 0, stddev, gradient.dtype()));
  }
}

double gradient_noise_stddev(double eta, int64_t step, double gamma) {
  if (!(eta >= 0 && std::isfinite(eta)) || step < 0) {
    fail("gradient_noise_stddev: wanted a finite eta and a step of at least 0; got ", eta, " and ",
         step);
  }
  return std::sqrt(eta / std::pow(1 + static_cast<double>(step), gamma));
}

}  // namespace rapt::optim
