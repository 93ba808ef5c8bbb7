#pragma once

// A small problem on which the tests of the optimizers take ten steps, and PyTorch's steps on it.

#include <memory>

#include "../reference/reference.h"
#include "rapt/autograd/ops.h"
#include "rapt/optim/optimizer.h"

namespace rapt::tests {

/// The tensors as leaves of that dtype.
inline NamedTensors leaves(const NamedTensors& from, Dtype dtype) {
  NamedTensors out = reference::converted(from, dtype);
  for (const auto& [name, tensor] : out) Tensor(tensor).set_requires_grad();
  return out;
}

/// The problem of make_optimizers.py: `seldom` has a gradient in every second step.
inline void backward(const NamedTensors& p, const NamedTensors& data, int step) {
  const Tensor hidden = tanh(linear(data["x"], p["w1"], p["b1"]));
  Tensor y = linear(hidden, p["w2"]);
  if (step % 2 == 1) y = y + p["seldom"];
  mse_loss(y, data["target"]).mean().backward();
}

/// What the reference file has of that name: in., 0. ... 10., state.
inline NamedTensors recorded(const std::string& name) {
  return reference::file("optim").with_prefix(name + "/");
}

/// Ten steps, each with PyTorch's parameters after it, and what PyTorch keeps in the end. make(p)
/// gives the optimizer, behind a std::unique_ptr.
template <class Make>
void expect_as_pytorch(const std::string& name, Make make) {
  const NamedTensors wanted = recorded(name);
  ASSERT_FALSE(wanted.empty()) << name;
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    SCOPED_TRACE(name + " in " + std::string(name_of(dtype)));
    const NamedTensors data = reference::converted(wanted.with_prefix("in."), dtype);
    const NamedTensors parameters = leaves(wanted.with_prefix("0."), dtype);
    const std::unique_ptr<optim::Optimizer> optimizer = make(parameters);
    for (int step = 0; step < 10; ++step) {
      optimizer->zero_grad();
      backward(parameters, data, step);
      optimizer->step();
      for (const auto& [p_name, p] : wanted.with_prefix(std::to_string(step + 1) + ".")) {
        EXPECT_TRUE(reference::close(parameters[p_name], p, reference::tolerance(dtype)))
            << p_name << " after step " << step;
      }
    }
    const NamedTensors state = optimizer->state(), kept = wanted.with_prefix("state.");
    for (const auto& [s_name, s] : kept) {
      EXPECT_TRUE(reference::close(state[s_name], s, reference::tolerance(dtype))) << s_name;
    }
    for (const auto& [s_name, s] : state) {
      EXPECT_TRUE(kept.contains(s_name) || s_name == "lr" || s_name.starts_with("step."))
          << s_name << " is not PyTorch's";
    }
  }
}

/// Two groups of the problem's parameters, the second with 0 decay and half the rate.
inline std::vector<optim::ParameterGroup> groups(const NamedTensors& p, double weight_decay = 0.2) {
  return {{.parameters = {{"w1", p["w1"]}, {"w2", p["w2"]}}, .weight_decay = weight_decay},
          {.parameters = {{"b1", p["b1"]}, {"seldom", p["seldom"]}},
           .weight_decay = 0,
           .lr_scale = 0.5}};
}

}  // namespace rapt::tests
