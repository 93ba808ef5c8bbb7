#pragma once

// Every optimizer, for what all of them promise.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rapt/optim/optim.h"

namespace rapt::tests {

struct OptimizerCase {
  const char* name;
  std::function<std::unique_ptr<optim::Optimizer>(const NamedTensors&)> make;
};

template <class O, class Options>
OptimizerCase optimizer_case(const char* name, const Options& options) {
  return {name, [options](const NamedTensors& p) { return std::make_unique<O>(p, options); }};
}

inline std::unique_ptr<optim::Optimizer> muon_of(const NamedTensors& p) {
  NamedTensors matrices, others;
  for (const auto& [name, tensor] : p) (tensor.rank() == 2 ? matrices : others).add(name, tensor);
  return std::make_unique<optim::Muon>(matrices, others);
}

inline std::vector<OptimizerCase> all_optimizers() {
  using namespace optim;
  return {
      optimizer_case<SGD>("SGD", SGDOptions{}),
      optimizer_case<SGD>("SGD, momentum", SGDOptions{.momentum = 0.9, .dampening = 0.1}),
      optimizer_case<SGD>("SGD, nesterov", SGDOptions{.momentum = 0.9, .nesterov = true}),
      optimizer_case<Adam>("Adam", AdamOptions{}),
      optimizer_case<Adam>("Adam, amsgrad", AdamOptions{.amsgrad = true}),
      optimizer_case<AdamW>("AdamW", AdamWOptions{}),
      optimizer_case<NAdam>("NAdam", NAdamOptions{}),
      optimizer_case<RAdam>("RAdam", RAdamOptions{.beta2 = 0.9}),
      optimizer_case<Adamax>("Adamax", AdamaxOptions{}),
      optimizer_case<Adagrad>("Adagrad", AdagradOptions{.lr_decay = 0.1}),
      optimizer_case<RMSprop>("RMSprop", RMSpropOptions{}),
      optimizer_case<RMSprop>("RMSprop, both", RMSpropOptions{.momentum = 0.9, .centered = true}),
      optimizer_case<Adadelta>("Adadelta", AdadeltaOptions{}),
      optimizer_case<Lion>("Lion", LionOptions{}),
      optimizer_case<LAMB>("LAMB", LAMBOptions{}),
      optimizer_case<Adafactor>("Adafactor", AdafactorOptions{}),
      {"Muon", muon_of},
  };
}

}  // namespace rapt::tests
