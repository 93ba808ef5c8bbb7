#include "rapt/nn/feed_forward.h"

#include <gtest/gtest.h>

#include "../reference/reference.h"
#include "rapt/autograd/ops.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;
using Names = std::vector<std::string>;

TEST(FeedForward, GatedAgreesWithPyTorch) {
  Rng rng(1);
  reference::expect_as_pytorch(
      "swiglu",
      [&] {
        return FeedForward(
            {.width = 6, .hidden = 10, .activation = Activation::silu, .gated = true}, rng);
      },
      [](const FeedForward& layer, const NamedTensors& in) {
        return NamedTensors{{"y", layer(in["x"])}};
      });
}

TEST(FeedForward, IsDownOfTheActivationOfUp) {
  Rng rng(2);
  const Tensor x = rng.normal({2, 3, 4});
  const auto by = [](Activation activation, const Tensor& t) {
    switch (activation) {
      case Activation::relu:
        return maximum(t, zeros({}));
      case Activation::gelu:
        return t * 0.5 * (1.0 + erf(t / std::sqrt(2.0)));
      case Activation::gelu_tanh:
        return t * 0.5 * (1.0 + tanh(std::sqrt(2 / M_PI) * (t + 0.044715 * t * t * t)));
      case Activation::silu:
        return t / (1.0 + exp(-t));
      case Activation::relu_squared:
        return maximum(t, 0) * maximum(t, 0);
      case Activation::sigmoid:
        return 1.0 / (1.0 + exp(-t));
      case Activation::identity:
        return t;
    }
    return Tensor();
  };
  for (const Activation activation :
       {Activation::relu, Activation::gelu, Activation::gelu_tanh, Activation::silu,
        Activation::relu_squared, Activation::sigmoid, Activation::identity}) {
    const FeedForward layer({.width = 4, .activation = activation}, rng);
    const Tensor hidden = matmul(x, transpose(layer.up.weight)) + layer.up.bias;
    const Tensor wanted =
        matmul(by(activation, hidden), transpose(layer.down.weight)) + layer.down.bias;
    EXPECT_TRUE(close(layer(x), wanted, 1e-6)) << static_cast<int>(activation);
  }
}

TEST(FeedForward, NamesItsParameters) {
  Rng rng(3);
  EXPECT_EQ(reference::names(FeedForward({.width = 4}, rng).parameters()),
            (Names{"up.weight", "up.bias", "down.weight", "down.bias"}));
  EXPECT_EQ(
      reference::names(FeedForward({.width = 4, .gated = true, .bias = false}, rng).parameters()),
      (Names{"up.weight", "down.weight", "gate.weight"}));
}

TEST(FeedForward, IsFourTimesAsWideInsideUnlessTold) {
  Rng rng(4);
  EXPECT_EQ(FeedForward({.width = 4}, rng).up.weight.shape(), (Shape{16, 4}));
  EXPECT_EQ(FeedForward({.width = 4, .hidden = 6}, rng).down.weight.shape(), (Shape{4, 6}));
}

TEST(FeedForward, HasTheRightGradients) {
  Rng rng(5);
  FeedForward layer({.width = 3, .hidden = 4}, rng);
  layer.to(Dtype::f64);
  const Tensor x = rng.normal({2, 3}, 0, 1, Dtype::f64);
  const auto report = reference::check_layer(
      {&layer.up.weight, &layer.up.bias, &layer.down.weight, &layer.down.bias}, {x},
      [&](const Tensors& in) { return layer(in[0]); });
  EXPECT_TRUE(report) << report.text;
}

TEST(FeedForward, RefusesBadWidths) {
  Rng rng(6);
  EXPECT_EQ(error_of([&] { FeedForward({.width = 0}, rng); }),
            "FeedForward: wanted width >= 1; got 0");
  EXPECT_EQ(error_of([&] { FeedForward({.width = 4, .hidden = -1}, rng); }),
            "FeedForward: wanted hidden >= 0; got -1");
}

}  // namespace
}  // namespace rapt::nn
