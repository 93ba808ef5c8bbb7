#pragma once

#include <vector>

#include "rapt/optim/optimizer.h"

namespace rapt::optim {

struct AdafactorOptions {
  double lr = 1e-2;                 ///< the most that a step may move, of the parameter's own size
  double beta2_decay = -0.8;        ///< the average over steps forgets 1 - t^beta2_decay of itself
  std::optional<double> eps1 = {};  ///< unset: the distance from 1 to the next number
  double eps2 = 1e-3;               ///< a parameter counts as at least so large
  double d = 1;                     ///< the most that an update's root mean square may be; >= 1
  double weight_decay = 0;  ///< times lr, the share of itself that a parameter loses in a step
};

/// Adafactor (arXiv:1804.04235), as torch.optim.Adafactor: of a matrix [..., n, m] it keeps n + m
/// numbers, the means of g^2 along rows and columns, whose product stands for Adam's v.
///   rho = min(lr, 1 / sqrt(t)),   b = t^beta2_decay,
///   R = R + b (mean of g^2 along rows - R),   C likewise along columns,
///   V = R C / max(mean of R, eps1),   and of a vector V = V + b (g^2 - V),
///   u = g / sqrt(max(V, eps1^2)),   w -= max(eps2, rms(w)) rho / max(1, rms(u) / d) u
/// It keeps row_var [..., n, 1] and col_var [..., 1, m] of a matrix, variance of a vector.
class Adafactor : public Optimizer {
 public:
  explicit Adafactor(const NamedTensors& parameters, const AdafactorOptions& options = {});
  explicit Adafactor(const std::vector<ParameterGroup>& groups,
                     const AdafactorOptions& options = {});

 protected:
  void update(std::span<Slot* const> slots, double gradient_factor) override;

 private:
  AdafactorOptions options_;
};

}  // namespace rapt::optim
