#include "rapt/optim/adadelta.h"

#include <cmath>

#include "rapt/optim/elementwise.h"

namespace rapt::optim {

Adadelta::Adadelta(const std::vector<ParameterGroup>& groups, const AdadeltaOptions& options)
    : Optimizer("Adadelta", groups, {.lr = options.lr, .weight_decay = options.weight_decay}),
      options_(options) {
  check_setting("rho", options.rho, 1);
  check_setting("eps", options.eps);
  keep("square_avg");
  keep("acc_delta");
}

Adadelta::Adadelta(const NamedTensors& parameters, const AdadeltaOptions& options)
    : Adadelta({{.parameters = parameters}}, options) {}

void Adadelta::update(std::span<Slot* const> slots, double gradient_factor) {
  elementwise<2>(slots, gradient_factor, [&](const Slot& slot) {
    return [lr = lr_of(slot), rho = options_.rho, eps = options_.eps, l2 = slot.weight_decay](
               auto g, auto& w, auto& s, auto& a) {
      using T = decltype(g);
      g += T(l2) * w;
      s = T(rho) * s + T(1 - rho) * g * g;
      const T d = std::sqrt(a + T(eps)) / std::sqrt(s + T(eps)) * g;
      a = T(rho) * a + T(1 - rho) * d * d;
      w -= T(lr) * d;
    };
  });
}

}  // namespace rapt::optim
