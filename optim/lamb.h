#pragma once

#include <vector>

#include "rapt/optim/optimizer.h"

namespace rapt::optim {

struct LAMBOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-6;
  double weight_decay = 0.01;  ///< times the parameter, added to the direction
};

/// LAMB (arXiv:1904.00962, algorithm 2), for large batches: a parameter moves in proportion to its
/// own norm. With m and v as Adam's,
///   r = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay w,
///   w -= lr |w| / |r| r,   where |w| / |r| is 1 if either is 0
/// It keeps exp_avg (m) and exp_avg_sq (v).
class LAMB : public Optimizer {
 public:
  explicit LAMB(const NamedTensors& parameters, const LAMBOptions& options = {});
  explicit LAMB(const std::vector<ParameterGroup>& groups, const LAMBOptions& options = {});

 protected:
  void update(std::span<Slot* const> slots, double gradient_factor) override;

 private:
  LAMBOptions options_;
};

}  // namespace rapt::optim
