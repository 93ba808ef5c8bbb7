#pragma once

// Private to rapt's own sources.

#include <cstdint>
#include <vector>

#include "rapt/autograd/function_ref.h"

namespace rapt::optim::detail {

/// What a function is at some length along a direction.
struct LinePoint {
  double at, loss, slope;
  std::vector<double> gradient;
};

struct LineSearch {
  LinePoint found;
  int64_t evaluations;
};

/// A length that meets the strong Wolfe conditions (Nocedal & Wright, algorithms 3.5 and 3.6):
///   loss <= start.loss + 1e-4 at start.slope   and   |slope| <= 0.9 |start.slope|
/// or the best after 25 evaluations. start: at 0, its slope < 0. `reach`: how far the farthest
/// element moves at length 1; a bracket in which none moves by `tolerance` is not searched.
LineSearch strong_wolfe(const LinePoint& start, double first, double reach, double tolerance,
                        FunctionRef<LinePoint(double)> evaluate);

}  // namespace rapt::optim::detail
