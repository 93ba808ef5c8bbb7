#pragma once

#include <vector>

#include "rapt/optim/optimizer.h"

namespace rapt::optim {

struct RMSpropOptions {
  double lr = 1e-2;
  double alpha = 0.99;  ///< of the average of squares
  double eps = 1e-8;
  double weight_decay = 0;  ///< added to the gradient, times the parameter (L2)
  double momentum = 0;
  bool centered = false;  ///< divides by the deviation from the average gradient
};

/// RMSprop (Hinton 2012), as torch.optim.RMSprop:
///   s = alpha s + (1 - alpha) g^2,   centered: a = alpha a + (1 - alpha) g,   else a = 0,
///   b = momentum b + g / (sqrt(s - a^2) + eps),   w -= lr b
/// It keeps square_avg (s), with momentum momentum_buffer (b), and centered grad_avg (a).
class RMSprop : public Optimizer {
 public:
  explicit RMSprop(const NamedTensors& parameters, const RMSpropOptions& options = {});
  explicit RMSprop(const std::vector<ParameterGroup>& groups, const RMSpropOptions& options = {});

 protected:
  void update(std::span<Slot* const> slots, double gradient_factor) override;

 private:
  RMSpropOptions options_;
};

}  // namespace rapt::optim
