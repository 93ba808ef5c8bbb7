// What runs along an axis: of any length and layout, at the edges.

#include <gtest/gtest.h>

#include <limits>

#include "../support/tensors.h"
#include "rapt/autograd/gradient.h"
#include "rapt/autograd/ops.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;
using tests::same_bits;

constexpr double inf = std::numeric_limits<double>::infinity();

/// Element by element along the last axis.
std::vector<double> one_by_one(const std::vector<double>& x, int64_t length,
                               double (*join)(double, double)) {
  std::vector<double> y = x;
  for (size_t i = 0; i < y.size(); ++i) {
    if (i % static_cast<size_t>(length) != 0) y[i] = join(y[i - 1], x[i]);
  }
  return y;
}

// Both sides of 16 lines, of 64 places, of 128 columns; along every axis.
TEST(Scan, OfAnyLengthAlongAnyAxis) {
  for (const Shape& shape : {Shape{1}, {70}, {3, 65}, {16, 16}, {17, 130}, {40, 300}, {5, 9, 33}}) {
    Rng rng(static_cast<uint64_t>(shape.numel()));
    const Tensor x = rng.uniform(shape, 0.7, 1.3, Dtype::f64);
    const int64_t n = shape.back();
    const std::vector<double> values = x.values<double>();
    const Tensor sums =
        from_values(one_by_one(values, n, [](double a, double b) { return a + b; }), shape);
    const Tensor products =
        from_values(one_by_one(values, n, [](double a, double b) { return a * b; }), shape);
    for (int64_t axis = 0; axis < shape.rank(); ++axis) {
      SCOPED_TRACE(text(shape, ", axis ", axis));
      const Tensor moved = transpose(x, axis, -1);
      for (const Tensor& given : {moved, moved.contiguous()}) {
        const auto back = [&](const Tensor& y) { return transpose(y, axis, -1); };
        EXPECT_TRUE(close(back(cumsum(given, axis)), sums, 1e-13));
        EXPECT_TRUE(close(back(cumprod(given, axis)), products, 1e-13));
        EXPECT_TRUE(close(exp(back(logcumsumexp(log(given), axis))), sums, 1e-13));
        EXPECT_TRUE(close(back(cumsum(given.to(Dtype::f32), axis)), sums.to(Dtype::f32), 1e-6));
        EXPECT_TRUE(
            same_bits(back(cumprod(given.to(Dtype::f32), axis)), cumprod(x.to(Dtype::f32), -1)));
      }
    }
  }
}

TEST(Scan, WhatF32AddsUpDoesNotStopGrowing) {
  EXPECT_EQ(cumsum(ones({1 << 25}), 0).values<float>().back(), float{1 << 25});
}

TEST(Scan, LogcumsumexpAtTheEdges) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    Tensor x = tensor({-inf, -inf, 0, -inf, 0}, dtype).set_requires_grad();
    const Tensor y = logcumsumexp(x, 0);
    EXPECT_TRUE(close(slice(y.detach(), 0, 2, 5), tensor({0, 0, std::log(2.0)}, dtype), 1e-7));
    EXPECT_EQ(slice(y.detach(), 0, 0, 2).to(Dtype::f64).values<double>(),
              (std::vector<double>{-inf, -inf}));
    // What is -inf has no say: the gradient is that of the others.
    Tensor others = tensor({0, 0}, dtype).set_requires_grad();
    const Tensor g = tensor({1, 2, 3, 4, 5}, dtype);
    const Tensor dx = grad({y}, {x}, {.cotangents = {g}})[0];
    const Tensor wanted =
        grad({logcumsumexp(others, 0)}, {others}, {.cotangents = {tensor({3 + 4, 5}, dtype)}})[0];
    EXPECT_TRUE(close(dx, tensor({0, 0, wanted[0].item(), 0, wanted[1].item()}, dtype), 1e-6));
  }
  const Tensor odd = logcumsumexp(tensor({1, inf, 2, nan, inf}), 0);
  EXPECT_EQ(slice(odd, 0, 0, 3).str(), "f32[3] {1, inf, inf}");
  EXPECT_EQ(isnan(odd).str(), "b8[5] {false, false, false, true, true}");
}

TEST(Scan, BadArgumentsAreErrors) {
  EXPECT_EQ(error_of([] { cumsum(ones({2}), 1); }), "cumsum: wanted an axis in [-1, 1); got 1");
  EXPECT_EQ(error_of([] { cumprod(ones({2}, Dtype::b8), 0); }),
            "cumprod: wanted x of f32, f64 or i64; got b8[2]");
  EXPECT_EQ(error_of([] { logcumsumexp(arange(3), 0); }),
            "logcumsumexp: wanted x of f32 or f64; got i64[3]");
}

}  // namespace
}  // namespace rapt
