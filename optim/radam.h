#pragma once

#include <vector>

#include "rapt/optim/optimizer.h"

namespace rapt::optim {

struct RAdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  ///< added to the gradient, times the parameter (L2)
};

/// Rectified Adam (arXiv:1908.03265), as torch.optim.RAdam: it needs no warm-up, as it leaves out
/// the division by sqrt(v) while v has too few steps behind it. With m and v as Adam's,
///   rho = r - 2 t beta2^t / (1 - beta2^t) where r = 2 / (1 - beta2) - 1, and
///   w -= lr m / (1 - beta1^t) * R,   rho > 5: R = sqrt((rho - 4) (rho - 2) r /
///     ((r - 4) (r - 2) rho)) sqrt(1 - beta2^t) / (sqrt(v) + eps);   else R = 1
/// It keeps exp_avg (m) and exp_avg_sq (v).
class RAdam : public Optimizer {
 public:
  explicit RAdam(const NamedTensors& parameters, const RAdamOptions& options = {});
  explicit RAdam(const std::vector<ParameterGroup>& groups, const RAdamOptions& options = {});

 protected:
  void update(std::span<Slot* const> slots, double gradient_factor) override;

 private:
  RAdamOptions options_;
};

}  // namespace rapt::optim
