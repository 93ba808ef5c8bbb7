// Gumbel noise and multinomial draws: their distributions, their edges, their errors.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "../support/tensors.h"
#include "rapt/autograd/autograd.h"

namespace rapt {
namespace {

using tests::error_of;
using tests::same_bits;

constexpr int64_t many = 200000;
constexpr double five_sigma = 5 / 447.2;  // 5 / sqrt(many)

TEST(Gumbel, HasItsMeanAndVarianceInBothDtypes) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    const Tensor x = Rng(1).gumbel({many}, dtype);
    EXPECT_EQ(x.dtype(), dtype);
    EXPECT_TRUE(all(isfinite(x)).item());
    EXPECT_NEAR(mean(x).item(), 0.577215665, five_sigma * 1.2826);  // Euler's constant
    EXPECT_NEAR(var(x).item(), 1.644934067, five_sigma * 1.644934067 * std::sqrt(4.4));
  }
}

TEST(Gumbel, MaximumIsADrawFromSoftmax) {
  const Tensor logits = tensor({0.5, -1, 2});
  const Tensor drawn = argmax(logits + Rng(2).gumbel({many, 3}), 1);
  const Tensor share = mean(one_hot(drawn, 3), {0});
  EXPECT_TRUE(tests::close(share, softmax(logits), five_sigma / 2));
}

TEST(Multinomial, DrawsInProportionToTheWeights) {
  const Tensor weights = tensor({{1, 0, 3, 4}, {0, 5, 0, 5}});
  const Tensor drawn = Rng(3).multinomial(weights, many, {.replacement = true});
  ASSERT_EQ(drawn.shape(), (Shape{2, many}));
  const Tensor share = mean(one_hot(drawn, 4), {1});
  EXPECT_TRUE(
      tests::close(share, tensor({{0.125, 0, 0.375, 0.5}, {0, 0.5, 0, 0.5}}), five_sigma / 2));
  EXPECT_EQ(share[0][1].item(), 0);  // weight 0: never
}

// The first is drawn by weight, the second by weight among what is left.
TEST(Multinomial, WithoutReplacementIsOneDrawAfterAnother) {
  const Tensor rows = expand(tensor({1, 2, 5, 0}), {many, 4});
  const Tensor drawn = Rng(4).multinomial(rows, 2);
  ASSERT_EQ(drawn.shape(), (Shape{many, 2}));
  EXPECT_FALSE(any(select(drawn, 1, 0) == select(drawn, 1, 1)).item());
  const double w[] = {1, 2, 5};
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 0; j < 3; ++j) {
      const double expected = i == j ? 0 : w[i] / 8 * w[j] / (8 - w[i]);
      const Tensor both = logical_and(select(drawn, 1, 0) == i, select(drawn, 1, 1) == j);
      EXPECT_NEAR(mean(both.to(Dtype::f64)).item(), expected, five_sigma / 2) << i << ' ' << j;
    }
  }
  const Tensor order = Rng(5).multinomial(tensor({1, 2, 5}), 3);
  EXPECT_TRUE(same_bits(sort(order).values, arange(3)));
}

TEST(Multinomial, OfWeightsNearTheEndsOfTheirRange) {
  const double largest = std::numeric_limits<double>::max();
  const Tensor huge = tensor({largest, largest, 0}, Dtype::f64);
  const Tensor drawn = Rng(6).multinomial(huge, 1000, {.replacement = true});
  EXPECT_NEAR(mean(drawn.to(Dtype::f64)).item(), 0.5, 0.1);
  const Tensor tiny = tensor({0, std::numeric_limits<double>::denorm_min(), 0}, Dtype::f64);
  EXPECT_EQ(Rng(7).multinomial(tiny, 1).str(), "i64[1] {1}");
  EXPECT_EQ(Rng(7).multinomial(tiny, 3, {.replacement = true}).str(), "i64[3] {1, 1, 1}");
}

TEST(Multinomial, OfNothing) {
  EXPECT_EQ(Rng(8).multinomial(ones({0, 3}), 2).shape(), (Shape{0, 2}));
  EXPECT_EQ(Rng(8).multinomial(ones({3}), 0).shape(), (Shape{0}));
}

TEST(Multinomial, IsAFunctionOfTheStreamAlone) {
  const Tensor weights = Rng(9).uniform({5, 7});
  Rng a(10), b(10);
  EXPECT_TRUE(same_bits(a.multinomial(weights, 3), b.multinomial(weights, 3)));
  EXPECT_TRUE(same_bits(a.state(), b.state()));
}

TEST(Multinomial, BadArgumentsAreErrorsAndDrawNothing) {
  Rng rng(11);
  const Tensor before = rng.state();
  EXPECT_EQ(error_of([&] {
              rng.multinomial(tensor({1, -1}), 1);
            }),
            "multinomial: wanted finite weights of at least 0; got -1 at 1 of row 0");
  EXPECT_EQ(error_of([&] {
              rng.multinomial(tensor({std::nan(""), 1}), 1);
            }),
            "multinomial: wanted finite weights of at least 0; got nan at 0 of row 0");
  EXPECT_EQ(error_of([&] {
              rng.multinomial(tensor({{1, 1}, {1, 0}}), 2);
            }),
            "multinomial: wanted at least 2 weights above 0 to draw 2 from; got 1 in row 1");
  EXPECT_EQ(error_of([&] { rng.multinomial(zeros({2}), 3, {.replacement = true}); }),
            "multinomial: wanted at least 1 weights above 0 to draw 3 from; got 0 in row 0");
  EXPECT_EQ(error_of([&] { rng.multinomial(ones({}), 1); }),
            "multinomial: wanted weights [..., n]; got a scalar");
  EXPECT_EQ(error_of([&] { rng.multinomial(ones({2}), -1); }),
            "multinomial: wanted a count of at least 0; got -1");
  EXPECT_EQ(error_of([&] { rng.multinomial(arange(2), 1); }),
            "multinomial: wanted weights of f32 or f64; got i64[2]");
  EXPECT_EQ(error_of([&] { rng.gumbel({2}, Dtype::i64); }),
            "gumbel: wanted dtype f32 or f64; got i64");
  EXPECT_TRUE(same_bits(rng.state(), before));
}

}  // namespace
}  // namespace rapt
