#pragma once

#include <vector>

#include "rapt/optim/optimizer.h"

namespace rapt::optim {

struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;     ///< what is missing of a gradient that is added to the momentum
  bool nesterov = false;    ///< looks one step ahead; with momentum and without dampening
  double weight_decay = 0;  ///< added to the gradient, times the parameter (L2)
};

/// Stochastic gradient descent, as torch.optim.SGD:
///   b = momentum b + (1 - dampening) g, the first time b = g,
///   w -= lr b;   nesterov: w -= lr (g + momentum b)
/// With momentum it keeps momentum_buffer (b).
class SGD : public Optimizer {
 public:
  explicit SGD(const NamedTensors& parameters, const SGDOptions& options = {});
  explicit SGD(const std::vector<ParameterGroup>& groups, const SGDOptions& options = {});

 protected:
  void update(std::span<Slot* const> slots, double gradient_factor) override;

 private:
  SGDOptions options_;
};

}  // namespace rapt::optim
