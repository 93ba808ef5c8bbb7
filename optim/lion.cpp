#include "rapt/optim/lion.h"

#include "rapt/optim/elementwise.h"

namespace rapt::optim {

Lion::Lion(const std::vector<ParameterGroup>& groups, const LionOptions& options)
    : Optimizer("Lion", groups,
                {.lr = options.lr,
                 .weight_decay = options.weight_decay,
                 .beta1 = options.beta1,
                 .beta2 = options.beta2}) {
  keep("exp_avg");
}

Lion::Lion(const NamedTensors& parameters, const LionOptions& options)
    : Lion({{.parameters = parameters}}, options) {}

void Lion::update(std::span<Slot* const> slots, double gradient_factor) {
  elementwise<1>(slots, gradient_factor, [&](const Slot& slot) {
    return [lr = lr_of(slot), beta1 = slot.beta1, beta2 = slot.beta2, decay = slot.weight_decay](
               auto g, auto& w, auto& m) {
      using T = decltype(g);
      const T direction = T(beta1) * m + T(1 - beta1) * g;
      const T sign = direction > 0 ? T(1) : direction < 0 ? T(-1) : direction;  // NaN stays
      w -= T(lr) * (sign + T(decay) * w);
      m = T(beta2) * m + T(1 - beta2) * g;
    };
  });
}

}  // namespace rapt::optim
