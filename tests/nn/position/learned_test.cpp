#include "rapt/nn/position/learned.h"

#include <gtest/gtest.h>

#include "../../reference/reference.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/position/sinusoidal.h"

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

}  // namespace
}  // namespace rapt::nn
