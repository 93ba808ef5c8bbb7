#include "rapt/optim/nadam.h"

#include <cmath>

#include "rapt/autograd/create.h"
#include "rapt/optim/detail/adam_step.h"
#include "rapt/optim/elementwise.h"

namespace rapt::optim {

NAdam::NAdam(const std::vector<ParameterGroup>& groups, const NAdamOptions& options)
    : Optimizer("NAdam", groups,
                {.lr = options.lr,
                 .weight_decay = options.weight_decay,
                 .beta1 = options.beta1,
                 .beta2 = options.beta2}),
      options_(options) {
  check_setting("eps", options.eps);
  check_setting("momentum_decay", options.momentum_decay);
  keep("exp_avg");
  keep("exp_avg_sq");
  keep("mu_product", [](const Slot&) { return tensor(1.0, Dtype::f64); });
}

NAdam::NAdam(const NamedTensors& parameters, const NAdamOptions& options)
    : NAdam({{.parameters = parameters}}, options) {}

void NAdam::update(std::span<Slot* const> slots, double gradient_factor) {
  const auto momentum_at = [&](const Slot& slot, int64_t t) {
    const double exponent = static_cast<double>(t) * options_.momentum_decay;
    return slot.beta1 * (1 - 0.5 * kernels::portable::pow(0.96, exponent));
  };
  elementwise<2>(slots, gradient_factor, [&](Slot& slot) {
    const double now = momentum_at(slot, slot.step), next = momentum_at(slot, slot.step + 1);
    double& product = slot.kept[2].mutable_data<double>()[0];
    product *= now;
    const double lr = lr_of(slot);
    return [moments = detail::AdamMoments(slot, slot.weight_decay), eps = options_.eps,
            correction2 = 1 / std::sqrt(detail::bias_correction(slot.beta2, slot.step)),
            of_gradient = lr * (1 - now) / (1 - product),
            of_average = lr * next / (1 - product * next)](auto g, auto& w, auto& m, auto& v) {
      using T = decltype(g);
      g = moments.average(g, w, m, v);
      w -= (T(of_gradient) * g + T(of_average) * m) / (std::sqrt(v) * T(correction2) + T(eps));
    };
  });
}

}  // namespace rapt::optim
