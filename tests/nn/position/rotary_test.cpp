// Rotary positions beside PyTorch; tests/autograd/rotary_test.cpp has the rest.

#include <gtest/gtest.h>

#include "../../reference/reference.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/module.h"

namespace rapt::nn {
namespace {

/// rotary as a layer without parameters, for the reference file.
struct RotaryLayer : Module {};

TEST(Rotary, IsPyTorchsComplexProduct) {
  reference::expect_as_pytorch(
      "rotary", [] { return RotaryLayer(); },
      [](const RotaryLayer&, const NamedTensors& in) {
        return NamedTensors{{"y", rotary(in["x"], {.offset = 2})}};
      });
}

}  // namespace
}  // namespace rapt::nn
