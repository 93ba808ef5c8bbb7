#pragma once

#include <vector>

#include "rapt/optim/optimizer.h"

namespace rapt::optim {

struct AdadeltaOptions {
  double lr = 1;
  double rho = 0.9;  ///< of both averages
  double eps = 1e-6;
  double weight_decay = 0;  ///< added to the gradient, times the parameter (L2)
};

/// Adadelta (arXiv:1212.5701), as torch.optim.Adadelta:
///   s = rho s + (1 - rho) g^2,   d = sqrt(a + eps) / sqrt(s + eps) g,
///   a = rho a + (1 - rho) d^2,   w -= lr d
/// It keeps square_avg (s) and acc_delta (a).
class Adadelta : public Optimizer {
 public:
  explicit Adadelta(const NamedTensors& parameters, const AdadeltaOptions& options = {});
  explicit Adadelta(const std::vector<ParameterGroup>& groups, const AdadeltaOptions& options = {});

 protected:
  void update(std::span<Slot* const> slots, double gradient_factor) override;

 private:
  AdadeltaOptions options_;
};

}  // namespace rapt::optim
