#include "rapt/nn/linear.h"

#include <gtest/gtest.h>

#include "../reference/reference.h"
#include "rapt/autograd/ops.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;

TEST(Linear, MapsTheLastAxis) {
  Rng rng(1);
  const Linear layer(3, 2, rng);
  const Tensor x = rng.normal({4, 5, 3});
  const Tensor wanted = sum(unsqueeze(x, -2) * layer.weight, {-1}) + layer.bias;
  EXPECT_TRUE(close(layer(x), wanted, 1e-6));
}

TEST(Linear, NamesItsParameters) {
  Rng rng(1);
  EXPECT_EQ(reference::names(Linear(3, 2, rng).parameters()),
            (std::vector<std::string>{"weight", "bias"}));
  const Linear plain(3, 2, rng, {.bias = false});
  EXPECT_EQ(reference::names(plain.parameters()), std::vector<std::string>{"weight"});
  EXPECT_FALSE(plain.bias.defined());
  EXPECT_EQ(plain.weight.shape(), (Shape{2, 3}));
}

TEST(Linear, StartsAsInPyTorch) {
  Rng rng(2);
  const Linear layer(100, 400, rng);
  for (const Tensor& t : {layer.weight, layer.bias}) {
    const double largest = max(abs(t)).item();
    EXPECT_LE(largest, 0.1 + 1e-7);
    EXPECT_GT(largest, 0.099);
    EXPECT_NEAR(std::sqrt(var(t).item()), 0.1 / std::sqrt(3.0), 0.004);
  }
}

TEST(Linear, HasTheRightGradients) {
  Rng rng(3);
  Linear layer(3, 2, rng);
  layer.to(Dtype::f64);
  const Tensor x = rng.normal({2, 3}, 0, 1, Dtype::f64);
  const auto report = reference::check_layer({&layer.weight, &layer.bias}, {x},
                                             [&](const Tensors& in) { return layer(in[0]); });
  EXPECT_TRUE(report) << report.text;
}

TEST(Linear, RefusesWhatDoesNotFit) {
  Rng rng(4);
  EXPECT_EQ(error_of([&] { Linear(0, 2, rng); }),
            "Linear: wanted in >= 1 and out >= 1; got 0 and 2");
  EXPECT_EQ(error_of([&] {
              Linear(3, 2, rng)(ones({4, 5}));
            }),
            "linear: wanted x [..., in] and weight [out, in]; got x [4, 5] and weight [2, 3]");
}

}  // namespace
}  // namespace rapt::nn
