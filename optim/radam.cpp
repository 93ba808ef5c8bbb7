#include "rapt/optim/radam.h"

#include <cmath>

#include "rapt/optim/detail/adam_step.h"
#include "rapt/optim/elementwise.h"

namespace rapt::optim {
namespace {

/// What multiplies 1 / (sqrt(v) + eps); 0 where that is left out.
double rectification(double beta2, int64_t step) {
  const double correction = detail::bias_correction(beta2, step), longest = 2 / (1 - beta2) - 1;
  const double length =
      longest - 2 * static_cast<double>(step) * (1 - correction) / correction;  // rho
  if (length <= 5) return 0;
  return std::sqrt((length - 4) * (length - 2) * longest /
                   ((longest - 4) * (longest - 2) * length) * correction);
}

}  // namespace

RAdam::RAdam(const std::vector<ParameterGroup>& groups, const RAdamOptions& options)
    : Optimizer("RAdam", groups,
                {.lr = options.lr,
                 .weight_decay = options.weight_decay,
                 .beta1 = options.beta1,
                 .beta2 = options.beta2}),
      options_(options) {
  check_setting("eps", options.eps);
  keep("exp_avg");
  keep("exp_avg_sq");
}

RAdam::RAdam(const NamedTensors& parameters, const RAdamOptions& options)
    : RAdam({{.parameters = parameters}}, options) {}

void RAdam::update(std::span<Slot* const> slots, double gradient_factor) {
  elementwise<2>(slots, gradient_factor, [&](const Slot& slot) {
    const double rectified = rectification(slot.beta2, slot.step);
    return [moments = detail::AdamMoments(slot, slot.weight_decay), eps = options_.eps,
            step_size = lr_of(slot) / detail::bias_correction(slot.beta1, slot.step),
            rectified](auto g, auto& w, auto& m, auto& v) {
      using T = decltype(g);
      moments.average(g, w, m, v);
      const T scaled = rectified > 0 ? m * T(rectified) / (std::sqrt(v) + T(eps)) : m;
      w -= T(step_size) * scaled;
    };
  });
}

}  // namespace rapt::optim
