#include "rapt/nn/position.h"

#include <gtest/gtest.h>

#include "../reference/reference.h"
#include "rapt/autograd/ops.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;

TEST(LearnedPositions, AreTheFirstRowsOfTheirWeight) {
  Rng rng(1);
  const LearnedPositions layer(5, 3, rng);
  EXPECT_EQ(reference::names(layer.parameters()), std::vector<std::string>{"weight"});
  EXPECT_EQ(layer.weight.shape(), (Shape{5, 3}));
  EXPECT_TRUE(close(layer(2), slice(layer.weight, 0, 0, 2), 0));
  EXPECT_EQ(layer(0).shape(), (Shape{0, 3}));
  sum(layer(1)).backward();
  EXPECT_EQ(sum(layer.weight.grad()).item(), 3);
}

TEST(LearnedPositions, EndAtTheContext) {
  Rng rng(1);
  const LearnedPositions layer(5, 3, rng);
  EXPECT_EQ(error_of([&] { layer(6); }),
            "LearnedPositions: wanted a length of at most the context, 5; got 6");
}

TEST(SinusoidalPositions, FollowThePaper) {
  for (const int64_t width : {6, 5, 1}) {
    const Tensor table = sinusoidal_positions(7, width, Dtype::f64);
    ASSERT_EQ(table.shape(), (Shape{7, width}));
    for (int64_t t = 0; t < 7; ++t) {
      for (int64_t j = 0; j < width; ++j) {
        const double even = static_cast<double>(j - j % 2);
        const double angle =
            static_cast<double>(t) / std::pow(10000.0, even / static_cast<double>(width));
        EXPECT_NEAR(table.data<double>()[t * width + j],
                    j % 2 == 0 ? std::sin(angle) : std::cos(angle), 1e-12);
      }
    }
  }
  EXPECT_EQ(sinusoidal_positions(2, 4).dtype(), Dtype::f32);
}

/// rotary as a layer without parameters, for the reference file.
struct RotaryLayer : Module {};

TEST(Rotary, IsPyTorchsComplexProduct) {
  reference::expect_as_pytorch(
      "rotary", [] { return RotaryLayer(); },
      [](const RotaryLayer&, const NamedTensors& in) {
        return NamedTensors{{"y", rotary(in["x"], {.offset = 2})}};
      });
}

TEST(Rotary, MakesProductsDependOnTheDistance) {
  Rng rng(1);
  const Tensor q = expand(rng.normal({1, 8}, 0, 1, Dtype::f64), {6, 8});
  const Tensor k = expand(rng.normal({1, 8}, 0, 1, Dtype::f64), {6, 8});
  const Tensor scores = matmul(rotary(q), transpose(rotary(k)));
  const Tensor shifted = matmul(rotary(q, {.offset = 9}), transpose(rotary(k, {.offset = 9})));
  EXPECT_TRUE(close(shifted, scores, 1e-12));
  const double* s = scores.data<double>();
  EXPECT_NEAR(s[0 * 6 + 2], s[3 * 6 + 5], 1e-12);
  EXPECT_GT(std::abs(s[0 * 6 + 2] - s[0 * 6 + 3]), 1e-3);
}

TEST(Rotary, HasTheRightGradients) {
  Rng rng(2);
  const auto report = check_gradients(
      [](const Tensors& in) -> Tensor { return rotary(in[0], {.offset = 1, .base = 50}); },
      {rng.normal({2, 3, 4}, 0, 1, Dtype::f64)});
  EXPECT_TRUE(report) << report.text;
}

TEST(Rotary, WantsPairs) {
  EXPECT_EQ(error_of([] {
              rotary(ones({2, 3}));
            }),
            "rotary: wanted x [..., T, d] with an even d; got [2, 3]");
  EXPECT_EQ(error_of([] { rotary(ones({4})); }),
            "rotary: wanted x [..., T, d] with an even d; got [4]");
}

}  // namespace
}  // namespace rapt::nn
