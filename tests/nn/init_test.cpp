#include "rapt/nn/init.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "../reference/reference.h"
#include "rapt/autograd/ops.h"

namespace rapt::nn {
namespace {

using reference::error_of;

struct Sample {
  double mean, stddev, largest;
};

Sample sample_of(const Tensor& t) {
  const Tensor x = t.to(Dtype::f64);
  return {mean(x).item(), std::sqrt(var(x).item()), max(abs(x)).item()};
}

// 200 x 300 draws: the standard error of a standard deviation is 0.3 %.
void expect_uniform(const Tensor& t, double bound) {
  const Sample s = sample_of(t);
  EXPECT_LE(s.largest, bound * (1 + 1e-6));
  EXPECT_GT(s.largest, bound * 0.999);
  EXPECT_NEAR(s.stddev, bound / std::sqrt(3.0), 0.02 * bound);
  EXPECT_NEAR(s.mean, 0, 0.02 * bound);
}

void expect_normal(const Tensor& t, double stddev) {
  const Sample s = sample_of(t);
  EXPECT_NEAR(s.stddev, stddev, 0.02 * stddev);
  EXPECT_NEAR(s.mean, 0, 0.02 * stddev);
  EXPECT_GT(s.largest, 3.5 * stddev);  // a uniform ends at 1.73
}

// PyTorch's definitions, with fan_in = 300 and fan_out = 200.
TEST(Init, Xavier) {
  Rng rng(1);
  expect_uniform(xavier_uniform({200, 300}, rng), std::sqrt(6.0 / 500));
  expect_uniform(xavier_uniform({200, 300}, rng, 2), 2 * std::sqrt(6.0 / 500));
  expect_normal(xavier_normal({200, 300}, rng), std::sqrt(2.0 / 500));
}

TEST(Init, Kaiming) {
  Rng rng(2);
  expect_uniform(kaiming_uniform({200, 300}, rng), std::sqrt(6.0 / 300));
  expect_uniform(kaiming_uniform({200, 300}, rng, 1, Fan::out), std::sqrt(3.0 / 200));
  expect_normal(kaiming_normal({200, 300}, rng), std::sqrt(2.0 / 300));
  expect_normal(kaiming_normal({200, 300}, rng, 1, Fan::out), std::sqrt(1.0 / 200));
}

TEST(Init, FansCountTheReceptiveField) {
  Rng rng(3);
  expect_uniform(kaiming_uniform({20, 30, 10, 10}, rng), std::sqrt(6.0 / 3000));
  expect_normal(kaiming_normal({20, 30, 10, 10}, rng, 1, Fan::out), std::sqrt(1.0 / 2000));
}

TEST(Init, Gpt2ScalesByTheResidualBranches) {
  Rng rng(4);
  expect_normal(gpt2_normal({200, 300}, rng), 0.02);
  expect_normal(gpt2_normal({200, 300}, rng, 24), 0.02 / std::sqrt(24.0));
  expect_normal(gpt2_normal({60000}, rng, 1, 0.5), 0.5);
}

TEST(Init, DependsOnTheGeneratorAlone) {
  Rng a(5), b(5), c(6);
  const auto first = xavier_normal({3, 4}, a).values<float>();
  EXPECT_EQ(first, xavier_normal({3, 4}, b).values<float>());
  EXPECT_NE(first, xavier_normal({3, 4}, b).values<float>());
  EXPECT_NE(first, xavier_normal({3, 4}, c).values<float>());
}

TEST(Init, SaysWhichShapeItWants) {
  Rng rng(7);
  EXPECT_EQ(error_of([&] { xavier_uniform({3}, rng); }),
            "xavier_uniform: wanted a shape of two axes or more, [out, in, ...]; got [3]");
  EXPECT_EQ(error_of([&] { xavier_normal({3}, rng); }),
            "xavier_normal: wanted a shape of two axes or more, [out, in, ...]; got [3]");
  EXPECT_EQ(error_of([&] { kaiming_uniform({}, rng); }),
            "kaiming_uniform: wanted a shape of two axes or more, [out, in, ...]; got []");
  EXPECT_EQ(error_of([&] { kaiming_normal({3}, rng); }),
            "kaiming_normal: wanted a shape of two axes or more, [out, in, ...]; got [3]");
  EXPECT_EQ(error_of([&] {
              gpt2_normal({3, 3}, rng, 0);
            }),
            "gpt2_normal: wanted residuals >= 1; got 0");
}

}  // namespace
}  // namespace rapt::nn
