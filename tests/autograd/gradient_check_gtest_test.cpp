// The GoogleTest side of check_gradients.

#include "rapt/autograd/gradient_check_gtest.h"

#include <gmock/gmock.h>

#include <string>

#include "rapt/autograd/ops.h"
#include "rapt/autograd/record.h"

namespace rapt {
namespace {

Tensor square(const Tensors& x) { return x[0] * x[0]; }

Tensor square_with_wrong_sign(const Tensors& x) {
  return record(
      "wrong_square", {x[0]}, [&] { return x[0] * x[0]; },
      [x = x[0]](const Backward& b) -> Gradients { return {b.grad * x * -2.0}; });
}

Tensors inputs() { return {tensor({3.0, 5.0}, Dtype::f64)}; }

TEST(GradientsMatch, SucceedsWhereTheGradientIsRight) {
  EXPECT_TRUE(GradientsMatch(square, inputs()));
  EXPECT_THAT(square, HasRightGradientsAt(inputs()));
}

TEST(GradientsMatch, FailsWithTheReport) {
  const auto result = GradientsMatch(square_with_wrong_sign, inputs());
  EXPECT_FALSE(result);
  EXPECT_EQ(std::string(result.message()), check_gradients(square_with_wrong_sign, inputs()).text);
}

TEST(GradientsMatch, AsAMatcherExplainsWithTheReport) {
  EXPECT_THAT(square_with_wrong_sign, ::testing::Not(HasRightGradientsAt(inputs())));
  ::testing::StringMatchResultListener listener;
  EXPECT_FALSE(::testing::ExplainMatchResult(HasRightGradientsAt(inputs()), square_with_wrong_sign,
                                             &listener));
  EXPECT_EQ(listener.str(), check_gradients(square_with_wrong_sign, inputs()).text);
}

TEST(GradientsMatch, PassesTheOptionsOn) {
  // Right at first order only.
  const auto f = [](const Tensors& x) {
    return record(
        "square", {x[0]}, [&] { return x[0] * x[0]; },
        [x = x[0]](const Backward& b) -> Gradients { return {b.grad * x.detach() * 2.0}; });
  };
  EXPECT_TRUE(GradientsMatch(f, inputs(), {.order = 1}));
  EXPECT_FALSE(GradientsMatch(f, inputs(), {.order = 2}));
  EXPECT_THAT(f, HasRightGradientsAt(inputs(), {.order = 1}));
}

// Large values cancel exactly where f does not depend on the input, and what they round away is no
// fault of the gradient; a wrong one is still found beside them.
TEST(GradientsMatch, RefusesAnInfiniteDifference) {
  const auto f = [](const Tensors& in) -> Tensor { return exp(in[0]); };
  EXPECT_FALSE(check_gradients(f, {tensor({709.782}, Dtype::f64)}, {.order = 1}));
}

TEST(GradientsMatch, KnowsHowLargeTheValuesAre) {
  const Tensors at = {tensor({20, 2}, Dtype::f64)};
  const auto f = [](const Tensors& in) -> Tensor { return exp(in[0]); };
  EXPECT_TRUE(check_gradients(f, at, {.order = 1})) << check_gradients(f, at, {.order = 1}).text;
  const auto wrong = [](const Tensors& in) -> Tensor {
    const Tensor y = exp(in[0].detach());
    return record(
        "wrong", {in[0]}, [&] { return y; },
        [y](const Backward& b) -> Gradients {
          return {b.grad * (y + tensor({0, 1e-4}, Dtype::f64))};
        });
  };
  EXPECT_FALSE(check_gradients(wrong, at, {.order = 1}));
}

}  // namespace
}  // namespace rapt
