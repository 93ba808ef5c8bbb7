#include "rapt/optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "rapt/autograd/assign.h"
#include "rapt/autograd/create.h"
#include "rapt/optim/clip.h"
#include "rapt/optim/detail/state.h"

namespace rapt::optim {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

std::vector<ParameterGroup> decay_groups(const NamedTensors& parameters, double weight_decay) {
  ParameterGroup matrices{.parameters = {}, .weight_decay = weight_decay};
  ParameterGroup others{.parameters = {}, .weight_decay = 0};
  for (const auto& [name, parameter] : parameters) {
    (parameter.rank() >= 2 ? matrices : others).parameters.add(name, parameter);
  }
  return {matrices, others};
}

Optimizer::Optimizer(std::string name, const std::vector<ParameterGroup>& groups,
                     const Settings& settings)
    : name_(std::move(name)) {
  set_lr(settings.lr);
  for (size_t i = 0; i < groups.size(); ++i) add(i, groups[i], settings);
  if (slots_.empty()) fail(name_, ": wanted parameters; got none");
}

void Optimizer::add(size_t index, const ParameterGroup& group, const Settings& settings) {
  const double decay = group.weight_decay.value_or(settings.weight_decay);
  check_setting("weight_decay", decay);
  check_setting("lr_scale", group.lr_scale);
  const auto beta = [&](const char* setting, const std::optional<double>& own,
                        const std::optional<double>& common) {
    if (own && !common) fail(name_, ": has no ", setting, "; a group set it to ", *own);
    const double value = own.value_or(common.value_or(0));
    check_setting(setting, value, 1);
    return value;
  };
  const double beta1 = beta("beta1", group.beta1, settings.beta1);
  const double beta2 = beta("beta2", group.beta2, settings.beta2);

  parameters_.add_all(group.prefix, group.parameters);  // notices a name given twice
  for (const auto& [short_name, parameter] : group.parameters) {
    const std::string name = group.prefix + short_name;
    if (!parameter.defined()) fail(name_, ": parameter ", name, " is no tensor");
    const bool again =
        std::any_of(slots_.begin(), slots_.end(),
                    [&one = parameter](const Slot& slot) { return slot.parameter.same_as(one); });
    if (again) {
      fail(name_, ": wanted each parameter once; got ", name, " again under another name");
    }
    if (!is_float(parameter.dtype()) || !parameter.is_leaf() || !parameter.is_contiguous()) {
      fail(name_, ": wanted parameters that are dense leaves of f32 or f64; got ", name, " ",
           parameter.dtype(), parameter.shape());
    }
    slots_.push_back({.name = name,
                      .parameter = parameter,
                      .dtype = parameter.dtype(),
                      .group = index,
                      .weight_decay = decay,
                      .lr_scale = group.lr_scale,
                      .beta1 = beta1,
                      .beta2 = beta2});
  }
}

void Optimizer::check_setting(const char* setting, double value, double below) const {
  if (!(value >= 0 && value < below)) {
    fail(name_, ": wanted ", setting, " in [0, ", below, "); got ", value);
  }
}

void Optimizer::check_setting(const char* setting, double value) const {
  if (!(value >= 0 && value < infinity)) {
    fail(name_, ": wanted a finite ", setting, " >= 0; got ", value);
  }
}

void Optimizer::keep(const char* name) {
  keep(name, [](const Slot& slot) { return zeros(slot.parameter.shape(), slot.dtype); });
}

void Optimizer::keep(const char* name, FunctionRef<Tensor(const Slot&)> initial) {
  const NoGrad no_grad;
  for (Slot& slot : slots_) {
    const Tensor kept = initial(slot);
    if (!kept.defined()) continue;
    slot.kept.push_back(kept);
    slot.kept_names.push_back(name);
  }
}

void Optimizer::zero_grad() {
  for (Slot& slot : slots_) slot.parameter.clear_grad();
}

double Optimizer::step_clipped(double max_norm) {
  if (!(max_norm > 0)) fail("step_clipped: wanted max_norm > 0; got ", max_norm);
  const double norm = grad_norm(parameters_);
  if (std::isfinite(norm)) step_scaled(clip_factor(norm, max_norm));
  return norm;
}

void Optimizer::step_scaled(double gradient_factor) {
  PoolVector<Slot*> with_gradient;
  for (Slot& slot : slots_) {
    if (!slot.parameter.grad().defined()) continue;
    if (slot.parameter.dtype() != slot.dtype) {
      fail(name_, ": wanted ", slot.name, " as ", slot.dtype, ", as it was given; got ",
           slot.parameter.dtype(), " (build the optimizer after Module::to)");
    }
    with_gradient.push_back(&slot);
  }
  for (Slot* slot : with_gradient) ++slot->step;
  const NoGrad no_grad;
  update(with_gradient, gradient_factor);
}

void Optimizer::set_lr(double lr) {
  check_setting("lr", lr);
  lr_ = lr;
}

NamedTensors Optimizer::state() const {
  NamedTensors state;
  state.add("lr", tensor(lr(), Dtype::f64));
  for (const Slot& slot : slots_) {
    state.add("step." + slot.name, from_values<int64_t>({slot.step}, {}));
    for (size_t i = 0; i < slot.kept.size(); ++i) {
      state.add(text(slot.kept_names[i], ".", slot.name), slot.kept[i]);
    }
  }
  state.set_configuration({{"name", name_}});
  return state;
}

void Optimizer::check_state(const NamedTensors& given) const {
  detail::require_state_of("load_state", name_, given);
  const NamedTensors target = state();
  for (const auto& [name, tensor] : target) {
    if (name != "lr" && !name.starts_with("step.")) continue;
    detail::require_number("load_state", given, name);
  }
  check_assign("load_state", target, given);
}

void Optimizer::load_state(const NamedTensors& given) {
  check_state(given);
  const NamedTensors target = state();
  assign("load_state", target, given);
  // The numbers in `target` are copies: hand them on.
  set_lr(target["lr"].item());
  for (Slot& slot : slots_) slot.step = target["step." + slot.name].data<int64_t>()[0];
}

}  // namespace rapt::optim
