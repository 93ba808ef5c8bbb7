#pragma once

#include <cstdint>

/// Learning rates as functions of the step: plain values, nothing to save. Steps count from 0, and
/// at(step) is the rate for that step's update. Each throws for a negative step.
namespace rapt::optim {

struct Constant {
  double lr = 1e-3;
  double at(int64_t step) const;
};

/// Up in a straight line over `warmup` steps (step 0 already moves), reaching `peak` with the last
/// of them; then half a cosine from peak down to `floor` at step `total` (arXiv:1608.03983), and
/// floor from there on.
struct WarmupCosine {
  double peak = 1e-3;
  int64_t warmup = 0;
  int64_t total = 0;  ///< above warmup
  double floor = 0;
  double at(int64_t step) const;
};

/// factor * width^-0.5 * min(n^-0.5, n * warmup^-1.5), where n = step + 1 (arXiv:1706.03762, eq.
/// 3).
struct WarmupInverseSqrt {
  int64_t width = 0;  ///< of the model
  int64_t warmup = 4000;
  double factor = 1;
  double at(int64_t step) const;
};

}  // namespace rapt::optim
