#pragma once

// What the tests of nn and optim need to compare with tests/reference/*.safetensors.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "../support/tensors.h"
#include "rapt/autograd/autograd.h"
#include "rapt/data/safetensors.h"

namespace rapt::reference {

/// "layers", "recurrent", "models" or "optim".
inline NamedTensors file(const std::string& name) {
  return data::load_safetensors(std::string(RAPT_REFERENCE_DIR) + "/" + name + ".safetensors");
}

/// What the dtype's rounding leaves between two right answers.
inline double tolerance(Dtype dtype) { return dtype == Dtype::f32 ? 1e-5 : 1e-10; }

/// As tests::close, for a wanted tensor of any dtype.
inline testing::AssertionResult close(const Tensor& got, const Tensor& wanted, double tolerance) {
  return got.defined() && wanted.defined() ? tests::close(got, wanted.to(got.dtype()), tolerance)
                                           : testing::AssertionFailure() << "undefined";
}

/// The tensors with floats as `dtype`, each a leaf of its own.
inline NamedTensors converted(const NamedTensors& from, Dtype dtype) {
  NamedTensors out;
  for (const auto& [name, tensor] : from) {
    out.add(name, is_float(tensor.dtype()) ? tensor.to(dtype).clone() : tensor);
  }
  return out;
}

inline std::vector<std::string> names(const NamedTensors& tensors) {
  std::vector<std::string> out;
  for (const auto& [name, tensor] : tensors) out.push_back(name);
  return out;
}

inline std::vector<Tensor> tensors_of(const NamedTensors& named) {
  std::vector<Tensor> out;
  for (const auto& [name, tensor] : named) out.push_back(tensor);
  return out;
}

using tests::error_of;

/// cos(0), cos(1), ... in row-major order: the cotangent of all cases.
inline Tensor cotangent(const Tensor& y) {
  return reshape(cos(arange(y.numel(), Dtype::f64)), y.shape()).to(y.dtype());
}

/// Runs one case of layers.safetensors, or of another file, in f32 and in f64: the layer takes the
/// case's parameters (all of them, and no others), and its outputs and gradients must be PyTorch's.
/// make() gives the layer, run(layer, inputs) the outputs by name, among them "y".
template <class Make, class Run>
void expect_as_pytorch(const std::string& name, Make make, Run run,
                       const std::string& from = "layers") {
  const NamedTensors wanted = file(from).with_prefix(name + "/");
  ASSERT_FALSE(wanted.empty()) << name;
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    SCOPED_TRACE(name + " in " + std::string(name_of(dtype)));
    auto layer = make();
    layer.to(dtype);
    layer.load_parameters(converted(wanted.with_prefix("param."), dtype));
    NamedTensors leaves = layer.parameters();
    const NamedTensors inputs = converted(wanted.with_prefix("in."), dtype);
    for (const auto& [input_name, input] : inputs) {
      if (!is_float(input.dtype())) continue;
      Tensor(input).set_requires_grad();
      leaves.add(input_name, input);
    }

    const NamedTensors outputs = run(layer, inputs);
    for (const auto& [output_name, output] : wanted.with_prefix("out.")) {
      EXPECT_TRUE(close(outputs[output_name], output, tolerance(dtype))) << output_name;
    }
    const Tensor y = outputs["y"];
    sum(y * cotangent(y)).backward();
    const NamedTensors gradients = wanted.with_prefix("grad.");
    for (const auto& [leaf_name, leaf] : leaves) {
      if (gradients.contains(leaf_name)) {
        EXPECT_TRUE(close(leaf.grad(), gradients[leaf_name], tolerance(dtype))) << leaf_name;
      } else {
        EXPECT_FALSE(leaf.grad().defined()) << leaf_name << " got a gradient, and none in PyTorch";
      }
    }
  }
}

/// check_gradients on a layer: with respect to `inputs` and to the tensors that `members` point at
/// (such as &layer.weight), all of them f64. run(inputs) calls the layer.
template <class Run>
GradientReport check_layer(const std::vector<Tensor*>& members, const Tensors& inputs, Run run,
                           const GradientCheckOptions& options = {}) {
  Tensors all = inputs;
  for (const Tensor* member : members) all.push_back(member->detach());
  return check_gradients(
      [&](const Tensors& in) -> Tensor {
        for (size_t i = 0; i < members.size(); ++i) *members[i] = in[inputs.size() + i];
        return run(Tensors(in.begin(), in.begin() + static_cast<int64_t>(inputs.size())));
      },
      all, options);
}

}  // namespace rapt::reference
