#pragma once

#include <vector>

#include "rapt/optim/optimizer.h"

namespace rapt::optim {

struct AdamaxOptions {
  double lr = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  ///< added to the gradient, times the parameter (L2)
};

/// Adam with the largest gradient in place of the mean square (arXiv:1412.6980, section 7.1), as
/// torch.optim.Adamax:
///   m = beta1 m + (1 - beta1) g,   u = max(beta2 u, |g| + eps),   w -= lr / (1 - beta1^t) * m / u
/// It keeps exp_avg (m) and exp_inf (u).
class Adamax : public Optimizer {
 public:
  explicit Adamax(const NamedTensors& parameters, const AdamaxOptions& options = {});
  explicit Adamax(const std::vector<ParameterGroup>& groups, const AdamaxOptions& options = {});

 protected:
  void update(std::span<Slot* const> slots, double gradient_factor) override;

 private:
  AdamaxOptions options_;
};

}  // namespace rapt::optim
