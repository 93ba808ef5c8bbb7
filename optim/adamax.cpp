#include "rapt/optim/adamax.h"

#include <algorithm>
#include <cmath>

#include "rapt/optim/detail/bias_correction.h"
#include "rapt/optim/elementwise.h"

namespace rapt::optim {

Adamax::Adamax(const std::vector<ParameterGroup>& groups, const AdamaxOptions& options)
    : Optimizer("Adamax", groups,
                {.lr = options.lr,
                 .weight_decay = options.weight_decay,
                 .beta1 = options.beta1,
                 .beta2 = options.beta2}),
      options_(options) {
  check_setting("eps", options.eps);
  keep("exp_avg");
  keep("exp_inf");
}

Adamax::Adamax(const NamedTensors& parameters, const AdamaxOptions& options)
    : Adamax({{.parameters = parameters}}, options) {}

void Adamax::update(std::span<Slot* const> slots, double gradient_factor) {
  elementwise<2>(slots, gradient_factor, [&](const Slot& slot) {
    return [beta1 = slot.beta1, beta2 = slot.beta2, eps = options_.eps, l2 = slot.weight_decay,
            step_size = lr_of(slot) / detail::bias_correction(slot.beta1, slot.step)](
               auto g, auto& w, auto& m, auto& u) {
      using T = decltype(g);
      g += T(l2) * w;
      m = T(beta1) * m + T(1 - beta1) * g;
      u = std::max(T(beta2) * u, std::abs(g) + T(eps));
      w -= T(step_size) * m / u;
    };
  });
}

}  // namespace rapt::optim
