#pragma once

#include <vector>

#include "rapt/optim/optimizer.h"

namespace rapt::optim {

struct LionOptions {
  double lr = 1e-4;  ///< a third to a tenth of AdamW's, and the decay as much larger
  double beta1 = 0.9;
  double beta2 = 0.99;
  double weight_decay = 0;  ///< times lr, the share of itself that a parameter loses in a step
};

/// Lion (arXiv:2302.06675, algorithm 2): all elements move equally far, by half of Adam's memory.
///   w -= lr (sign(beta1 m + (1 - beta1) g) + weight_decay w),   m = beta2 m + (1 - beta2) g
/// It keeps exp_avg (m).
class Lion : public Optimizer {
 public:
  explicit Lion(const NamedTensors& parameters, const LionOptions& options = {});
  explicit Lion(const std::vector<ParameterGroup>& groups, const LionOptions& options = {});

 protected:
  void update(std::span<Slot* const> slots, double gradient_factor) override;
};

}  // namespace rapt::optim
