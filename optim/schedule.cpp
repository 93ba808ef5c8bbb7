#include "rapt/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "rapt/autograd/error.h"
#include "rapt/autograd/kernels/portable.h"

namespace rapt::optim {
namespace {

void check_step(const char* schedule, int64_t step) {
  if (step < 0) fail(schedule, ": wanted step >= 0; got ", step);
}

}  // namespace

double Constant::at(int64_t step) const {
  check_step("Constant", step);
  return lr;
}

double WarmupCosine::at(int64_t step) const {
  check_step("WarmupCosine", step);
  if (warmup < 0 || total <= warmup) {
    fail("WarmupCosine: wanted 0 <= warmup < total; got warmup ", warmup, " and total ", total);
  }
  if (step < warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double done = static_cast<double>(step - warmup) / static_cast<double>(total - warmup);
  const double cosine = kernels::portable::cos(std::numbers::pi * std::min(done, 1.0));
  return floor + (peak - floor) * 0.5 * (1 + cosine);
}

double WarmupInverseSqrt::at(int64_t step) const {
  check_step("WarmupInverseSqrt", step);
  if (width < 1 || warmup < 1) {
    fail("WarmupInverseSqrt: wanted width >= 1 and warmup >= 1; got ", width, " and ", warmup);
  }
  const double n = static_cast<double>(step) + 1, warm = static_cast<double>(warmup);
  return factor / std::sqrt(static_cast<double>(width)) *
         std::min(1 / std::sqrt(n), n / (warm * std::sqrt(warm)));
}

}  // namespace rapt::optim
