#include "rapt/optim/plateau.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rapt/autograd/error.h"

namespace rapt::optim {

ReduceOnPlateau::ReduceOnPlateau(const ReduceOnPlateauOptions& options)
    : options_(options),
      lr_(options.lr),
      best_((options.larger_is_better ? -1 : 1) * std::numeric_limits<double>::infinity()) {
  constexpr const char* name = "ReduceOnPlateau: ";
  const auto check = [&](const char* setting, double value) {
    if (!(value >= 0 && std::isfinite(value))) {
      fail(name, "wanted a finite ", setting, " >= 0; got ", value);
    }
  };
  check("lr", options.lr);
  check("threshold", options.threshold);
  check("min_lr", options.min_lr);
  if (!(options.factor > 0 && options.factor < 1)) {
    fail(name, "wanted factor in (0, 1); got ", options.factor);
  }
  if (options.patience < 0 || options.cooldown < 0) {
    fail(name, "wanted patience >= 0 and cooldown >= 0; got ", options.patience, " and ",
         options.cooldown);
  }
}

double ReduceOnPlateau::after(double metric) {
  // Of the size of the best: PyTorch's best * (1 - threshold) lies above a best below 0.
  const double margin = std::isfinite(best_) ? options_.threshold * std::abs(best_) : 0;
  const bool is_better =
      options_.larger_is_better ? metric > best_ + margin : metric < best_ - margin;
  if (is_better) best_ = metric;
  without_improvement_ = is_better ? 0 : without_improvement_ + 1;
  if (cooling_ > 0) {
    --cooling_;
    without_improvement_ = 0;
  }
  if (without_improvement_ > options_.patience) {
    lr_ = std::max(lr_ * options_.factor, options_.min_lr);
    cooling_ = options_.cooldown;
    without_improvement_ = 0;
  }
  return lr_;
}

Values ReduceOnPlateau::state() const {
  Values state;
  state.set("lr", lr_);
  state.set("best", best_);
  state.set("without_improvement", without_improvement_);
  state.set("cooling", cooling_);
  return state;
}

void ReduceOnPlateau::load_state(const Values& state) {
  const double lr = state.number("lr"), best = state.number("best");
  const int64_t without = state.integer("without_improvement"), cooling = state.integer("cooling");
  if (state.size() != 4 || !(lr >= 0) || without < 0 || cooling < 0) {
    fail("ReduceOnPlateau::load_state: wanted what state() gave");
  }
  lr_ = lr;
  best_ = best;
  without_improvement_ = without;
  cooling_ = cooling;
}

}  // namespace rapt::optim
