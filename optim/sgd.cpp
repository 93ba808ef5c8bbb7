#include "rapt/optim/sgd.h"

#include "rapt/autograd/error.h"
#include "rapt/optim/elementwise.h"

namespace rapt::optim {

SGD::SGD(const std::vector<ParameterGroup>& groups, const SGDOptions& options)
    : Optimizer("SGD", groups, {.lr = options.lr, .weight_decay = options.weight_decay}),
      options_(options) {
  check_setting("momentum", options.momentum);
  check_setting("dampening", options.dampening);
  if (options.nesterov && (options.momentum == 0 || options.dampening != 0)) {
    fail("SGD: nesterov wants momentum and no dampening; got momentum ", options.momentum,
         " and dampening ", options.dampening);
  }
  if (options.momentum != 0) keep("momentum_buffer");
}

SGD::SGD(const NamedTensors& parameters, const SGDOptions& options)
    : SGD({{.parameters = parameters}}, options) {}

void SGD::update(std::span<Slot* const> slots, double gradient_factor) {
  if (options_.momentum == 0) {
    elementwise<0>(slots, gradient_factor, [&](const Slot& slot) {
      return [lr = lr_of(slot), l2 = slot.weight_decay](auto g, auto& w) {
        using T = decltype(g);
        w -= T(lr) * (g + T(l2) * w);
      };
    });
    return;
  }
  elementwise<1>(slots, gradient_factor, [&](const Slot& slot) {
    return [lr = lr_of(slot), l2 = slot.weight_decay, momentum = options_.momentum,
            added = slot.step == 1 ? 1 : 1 - options_.dampening,
            ahead = options_.nesterov](auto g, auto& w, auto& b) {
      using T = decltype(g);
      g += T(l2) * w;
      b = T(momentum) * b + T(added) * g;
      w -= T(lr) * (ahead ? g + T(momentum) * b : b);
    };
  });
}

}  // namespace rapt::optim
