#pragma once

#include <vector>

#include "rapt/optim/optimizer.h"

namespace rapt::optim {

struct NAdamOptions {
  double lr = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;       ///< added to the gradient, times the parameter (L2)
  double momentum_decay = 4e-3;  ///< how fast the momentum rises to beta1
};

/// Adam with Nesterov's momentum (Dozat 2016), as torch.optim.NAdam:
///   mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2),   P_t = mu_1 ... mu_t,
///   w -= lr ((1 - mu_t) / (1 - P_t) g + mu_t+1 / (1 - P_t+1) m) / (sqrt(v / (1 - beta2^t)) + eps)
/// with m and v as Adam's. It keeps exp_avg (m), exp_avg_sq (v) and mu_product (P).
class NAdam : public Optimizer {
 public:
  explicit NAdam(const NamedTensors& parameters, const NAdamOptions& options = {});
  explicit NAdam(const std::vector<ParameterGroup>& groups, const NAdamOptions& options = {});

 protected:
  void update(std::span<Slot* const> slots, double gradient_factor) override;

 private:
  NAdamOptions options_;
};

}  // namespace rapt::optim
