#include "rapt/optim/adagrad.h"

#include <cmath>

#include "rapt/optim/elementwise.h"

namespace rapt::optim {

Adagrad::Adagrad(const std::vector<ParameterGroup>& groups, const AdagradOptions& options)
    : Optimizer("Adagrad", groups, {.lr = options.lr, .weight_decay = options.weight_decay}),
      options_(options) {
  check_setting("lr_decay", options.lr_decay);
  check_setting("eps", options.eps);
  keep("sum");
}

Adagrad::Adagrad(const NamedTensors& parameters, const AdagradOptions& options)
    : Adagrad({{.parameters = parameters}}, options) {}

void Adagrad::update(std::span<Slot* const> slots, double gradient_factor) {
  elementwise<1>(slots, gradient_factor, [&](const Slot& slot) {
    const double steps_before = static_cast<double>(slot.step - 1);
    return [lr = lr_of(slot) / (1 + steps_before * options_.lr_decay), eps = options_.eps,
            l2 = slot.weight_decay](auto g, auto& w, auto& s) {
      using T = decltype(g);
      g += T(l2) * w;
      s += g * g;
      w -= T(lr) * g / (std::sqrt(s) + T(eps));
    };
  });
}

}  // namespace rapt::optim
