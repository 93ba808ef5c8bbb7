#pragma once

#include <vector>

#include "rapt/optim/optimizer.h"

namespace rapt::optim {

struct AdagradOptions {
  double lr = 1e-2;
  double lr_decay = 0;  ///< the rate of step t is lr / (1 + (t - 1) lr_decay)
  double eps = 1e-10;
  double weight_decay = 0;  ///< added to the gradient, times the parameter (L2)
};

/// Adagrad (Duchi 2011), as torch.optim.Adagrad: s += g^2, w -= lr g / (sqrt(s) + eps). It keeps
/// sum (s).
class Adagrad : public Optimizer {
 public:
  explicit Adagrad(const NamedTensors& parameters, const AdagradOptions& options = {});
  explicit Adagrad(const std::vector<ParameterGroup>& groups, const AdagradOptions& options = {});

 protected:
  void update(std::span<Slot* const> slots, double gradient_factor) override;

 private:
  AdagradOptions options_;
};

}  // namespace rapt::optim
