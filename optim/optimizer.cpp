#include "rapt/optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "rapt/optim/clip.h"

namespace rapt::optim {
namespace {

void check_setting(const char* name, double value) {
  if (!(value >= 0) || std::isinf(value)) {
    fail("optimizer: wanted a finite ", name, " >= 0; got ", value);
  }
}

}  // namespace

std::vector<ParameterGroup> decay_groups(const NamedTensors& parameters, double weight_decay) {
  ParameterGroup matrices{.parameters = {}, .weight_decay = weight_decay};
  ParameterGroup others{.parameters = {}, .weight_decay = 0};
  for (const auto& [name, parameter] : parameters) {
    (parameter.rank() >= 2 ? matrices : others).parameters.add(name, parameter);
  }
  return {matrices, others};
}

Optimizer::Optimizer(const std::vector<ParameterGroup>& groups, double lr, double weight_decay) {
  set_lr(lr);
  for (const ParameterGroup& group : groups) {
    const double decay = group.weight_decay.value_or(weight_decay);
    check_setting("weight_decay", decay);
    check_setting("lr_scale", group.lr_scale);
    parameters_.add_all("", group.parameters);  // notices a name given twice
    for (const auto& [name, parameter] : group.parameters) {
      if (!parameter.defined()) fail("optimizer: parameter ", name, " is no tensor");
      const bool again =
          std::any_of(slots_.begin(), slots_.end(),
                      [&one = parameter](const Slot& slot) { return slot.parameter.same_as(one); });
      if (again) {
        fail("optimizer: wanted each parameter once; got ", name, " again under another name");
      }
      if (!is_float(parameter.dtype()) || !parameter.is_leaf() || !parameter.is_contiguous()) {
        fail("optimizer: wanted parameters that are dense leaves of f32 or f64; got ", name, " ",
             parameter.dtype(), parameter.shape());
      }
      slots_.push_back({name, parameter, decay, group.lr_scale});
    }
  }
  if (slots_.empty()) fail("optimizer: wanted parameters; got none");
}

void Optimizer::zero_grad() {
  for (Slot& slot : slots_) slot.parameter.clear_grad();
}

double Optimizer::step_clipped(double max_norm) {
  if (!(max_norm > 0)) fail("step_clipped: wanted max_norm > 0; got ", max_norm);
  const double norm = grad_norm(parameters_);
  if (std::isfinite(norm)) update(clip_factor(norm, max_norm));
  return norm;
}

void Optimizer::set_lr(double lr) {
  check_setting("lr", lr);
  lr_ = lr;
}

}  // namespace rapt::optim
