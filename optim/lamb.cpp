#include "rapt/optim/lamb.h"

#include "rapt/autograd/ops.h"
#include "rapt/optim/detail/adam_step.h"
#include "rapt/optim/elementwise.h"

namespace rapt::optim {

LAMB::LAMB(const std::vector<ParameterGroup>& groups, const LAMBOptions& options)
    : Optimizer("LAMB", groups,
                {.lr = options.lr,
                 .weight_decay = options.weight_decay,
                 .beta1 = options.beta1,
                 .beta2 = options.beta2}),
      options_(options) {
  check_setting("eps", options.eps);
  keep("exp_avg");
  keep("exp_avg_sq");
}

LAMB::LAMB(const NamedTensors& parameters, const LAMBOptions& options)
    : LAMB({{.parameters = parameters}}, options) {}

void LAMB::update(std::span<Slot* const> slots, double gradient_factor) {
  elementwise<2>(slots, gradient_factor, [](const Slot& slot) {
    return [moments = detail::AdamMoments(slot)](auto g, auto& w, auto& m, auto& v) {
      moments.average(g, w, m, v);
    };
  });
  for (Slot* slot : slots) {
    Tensor& w = slot->parameter;
    const Tensor m = slot->kept[0] / detail::bias_correction(slot->beta1, slot->step);
    const Tensor v = slot->kept[1] / detail::bias_correction(slot->beta2, slot->step);
    const Tensor r = m / (sqrt(v) + options_.eps) + slot->weight_decay * w;
    const double of_w = norm(w).item(), of_r = norm(r).item();
    const double trust = of_w > 0 && of_r > 0 ? of_w / of_r : 1;
    w.copy_from(w - lr_of(*slot) * trust * r);
  }
}

}  // namespace rapt::optim
