#include "rapt/nn/fine_tuning/freeze.h"

#include "rapt/autograd/error.h"
#include "rapt/nn/fine_tuning/detail/patterns.h"

namespace rapt::nn {
namespace {

void set_trainable(const char* function, const Module& model,
                   const std::vector<std::string>& patterns, bool on) {
  const NamedTensors parameters = model.parameters();
  std::vector<std::string> names;
  for (const auto& [name, tensor] : parameters) names.push_back(name);
  for (const std::string& name : detail::fitting(function, "parameter", patterns, names)) {
    Tensor parameter = parameters[name];
    parameter.clear_grad();
    parameter.set_requires_grad(on);
  }
}

}  // namespace

void freeze(const Module& model, const std::vector<std::string>& patterns) {
  set_trainable("freeze", model, patterns, false);
}

void unfreeze(const Module& model, const std::vector<std::string>& patterns) {
  set_trainable("unfreeze", model, patterns, true);
}

NamedTensors trainable(const NamedTensors& parameters) {
  NamedTensors out;
  for (const auto& [name, parameter] : parameters) {
    if (parameter.requires_grad()) out.add(name, parameter);
  }
  return out;
}

}  // namespace rapt::nn
