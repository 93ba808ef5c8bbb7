#pragma once

#include <vector>

#include "rapt/optim/optimizer.h"

namespace rapt::optim {

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  ///< added to the gradient, times the parameter (L2)
  bool amsgrad = false;     ///< the largest v so far in place of v (arXiv:1904.09237)
};

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.01;  ///< times lr, the share of itself that a parameter loses in a step
  bool amsgrad = false;        ///< as above
};

/// Adam (arXiv:1412.6980), step by step as torch.optim.Adam:
///   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2,
///   w -= lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)
/// where t counts the steps of that parameter. It keeps exp_avg (m) and exp_avg_sq (v), and of
/// amsgrad max_exp_avg_sq.
///
/// A gradient that is not finite makes its parameter, and the moments behind it, not finite for
/// good: step_clipped leaves such a step out.
class Adam : public Optimizer {
 public:
  explicit Adam(const NamedTensors& parameters, const AdamOptions& options = {});
  explicit Adam(const std::vector<ParameterGroup>& groups, const AdamOptions& options = {});

 protected:
  enum class Decay { l2, decoupled };
  Adam(const char* name, const std::vector<ParameterGroup>& groups, const AdamOptions& options,
       Decay decay);
  void update(std::span<Slot* const> slots, double gradient_factor) override;

 private:
  AdamOptions options_;
  Decay decay_;
};

/// Adam with decoupled weight decay (arXiv:1711.05101), as torch.optim.AdamW: before each step
/// w -= lr * weight_decay * w, and the moments do not see it.
class AdamW : public Adam {
 public:
  explicit AdamW(const NamedTensors& parameters, const AdamWOptions& options = {});
  explicit AdamW(const std::vector<ParameterGroup>& groups, const AdamWOptions& options = {});
};

}  // namespace rapt::optim
