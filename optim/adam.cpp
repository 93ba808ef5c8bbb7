#include "rapt/optim/adam.h"

#include <algorithm>

#include "rapt/optim/detail/adam_step.h"
#include "rapt/optim/elementwise.h"

namespace rapt::optim {
namespace {

AdamOptions shared_options(const AdamWOptions& o) {
  return {.lr = o.lr,
          .beta1 = o.beta1,
          .beta2 = o.beta2,
          .eps = o.eps,
          .weight_decay = o.weight_decay,
          .amsgrad = o.amsgrad};
}

}  // namespace

Adam::Adam(const char* name, const std::vector<ParameterGroup>& groups, const AdamOptions& options,
           Decay decay)
    : Optimizer(name, groups,
                {.lr = options.lr,
                 .weight_decay = options.weight_decay,
                 .beta1 = options.beta1,
                 .beta2 = options.beta2}),
      options_(options),
      decay_(decay) {
  check_setting("eps", options.eps);
  keep("exp_avg");
  keep("exp_avg_sq");
  if (options.amsgrad) keep("max_exp_avg_sq");
}

Adam::Adam(const std::vector<ParameterGroup>& groups, const AdamOptions& options)
    : Adam("Adam", groups, options, Decay::l2) {}

Adam::Adam(const NamedTensors& parameters, const AdamOptions& options)
    : Adam({{.parameters = parameters}}, options) {}

AdamW::AdamW(const std::vector<ParameterGroup>& groups, const AdamWOptions& options)
    : Adam("AdamW", groups, shared_options(options), Decay::decoupled) {}

AdamW::AdamW(const NamedTensors& parameters, const AdamWOptions& options)
    : AdamW({{.parameters = parameters}}, options) {}

void Adam::update(std::span<Slot* const> slots, double gradient_factor) {
  const auto step_of = [&](const Slot& slot) {
    const bool is_l2 = decay_ == Decay::l2;
    return detail::AdamStep(slot, {.lr = lr_of(slot),
                                   .eps = options_.eps,
                                   .l2 = is_l2 ? slot.weight_decay : 0,
                                   .decay = is_l2 ? 0 : slot.weight_decay});
  };
  if (options_.amsgrad) {
    elementwise<3>(slots, gradient_factor, [&](const Slot& slot) {
      return [step = step_of(slot)](auto g, auto& w, auto& m, auto& v, auto& max_v) {
        step.average(g, w, m, v);
        max_v = std::max(max_v, v);
        step.move(w, m, max_v);
      };
    });
  } else {
    elementwise<2>(slots, gradient_factor, [&](const Slot& slot) {
      return [step = step_of(slot)](auto g, auto& w, auto& m, auto& v) {
        step.average(g, w, m, v);
        step.move(w, m, v);
      };
    });
  }
}

}  // namespace rapt::optim
