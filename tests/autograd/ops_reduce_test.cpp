// Reductions: values against plain loops, edges, dtypes. (Their gradients: tests/ops.)

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "../support/tensors.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;
using tests::same_bits;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// A reduction done by a loop: f of the values along `axes` for each place of the others.
template <class F>
Tensor by_loop(const Tensor& x, const Axes& given, F f) {
  const Axes axes = resolve_axes("by_loop", given, x.rank());
  Axes order;
  int64_t length = 1;
  for (int64_t a = 0; a < x.rank(); ++a) {
    if (!axes.contains(a)) order.push_back(a);
  }
  for (int64_t a = 0; a < x.rank(); ++a) {
    if (!axes.contains(a)) continue;
    order.push_back(a);
    length *= x.size(a);
  }
  const std::vector<double> values = permute(x, order).to(Dtype::f64).values<double>();
  std::vector<double> out;
  for (auto at = values.begin(); at != values.end(); at += length) {
    out.push_back(f(std::vector<double>(at, at + length)));
  }
  return from_values(out, reduced_shape(x.shape(), axes, false));
}

double sum_of(const std::vector<double>& v) {
  double total = 0;
  for (const double x : v) total += x;
  return total;
}

double variance_of(const std::vector<double>& v, double correction) {
  const double mean = sum_of(v) / static_cast<double>(v.size());
  double total = 0;
  for (const double x : v) total += (x - mean) * (x - mean);
  return total / (static_cast<double>(v.size()) - correction);
}

double logsumexp_of(const std::vector<double>& v) {
  double total = 0;
  for (const double x : v) total += std::exp(x);
  return std::log(total);
}

const std::vector<Axes> some_axes = {{0},    {1},    {2},    {-1},      {0, 1},
                                     {1, 2}, {0, 2}, {2, 0}, {0, 1, 2}, {}};

TEST(Reduce, IsWhatALoopGives) {
  Rng rng(1);
  for (const Shape& shape : {Shape{2, 3, 4}, Shape{5, 17, 33}, Shape{1, 70, 1}, Shape{40, 1, 50}}) {
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      const Tensor dense = rng.normal(shape, 0.5, 1, dtype);
      for (const Tensor& x : {dense, tests::strided(dense)}) {
        for (const Axes& axes : some_axes) {
          SCOPED_TRACE(text(dtype, shape, " over ", axes));
          const double allowed = dtype == Dtype::f32 ? 2e-6 : 1e-13;
          const auto check = [&](const Tensor& y, auto f) {
            EXPECT_TRUE(close(y.to(Dtype::f64), by_loop(x, axes, f), allowed));
          };
          check(sum(x, axes), sum_of);
          check(mean(x, axes), [](const std::vector<double>& v) {
            return sum_of(v) / static_cast<double>(v.size());
          });
          check(max(x, axes), [](const auto& v) { return *std::max_element(v.begin(), v.end()); });
          check(min(x, axes), [](const auto& v) { return *std::min_element(v.begin(), v.end()); });
          check(logsumexp(x, axes), logsumexp_of);
          check(var(x, axes, {.correction = 0}), [](const auto& v) { return variance_of(v, 0); });
        }
      }
    }
  }
}

TEST(Reduce, KeepsAxesAsOnesWhenAsked) {
  const Tensor x = zeros({2, 3, 4});
  EXPECT_EQ(sum(x, {0, -1}, {.keepdim = true}).shape(), (Shape{1, 3, 1}));
  EXPECT_EQ(mean(x, 1, {.keepdim = true}).shape(), (Shape{2, 1, 4}));
  EXPECT_EQ(max(x, {0, 1, 2}, {.keepdim = true}).shape(), (Shape{1, 1, 1}));
  EXPECT_EQ(var(x, 1, {.keepdim = true}).shape(), (Shape{2, 1, 4}));
  EXPECT_EQ(logsumexp(x, -1, {.keepdim = true}).shape(), (Shape{2, 3, 1}));
  EXPECT_EQ(argmax(x, 1, {.keepdim = true}).shape(), (Shape{2, 1, 4}));
  EXPECT_EQ(sum(x).shape(), Shape{});
  EXPECT_EQ(argmax(x, 1).shape(), (Shape{2, 4}));
}

TEST(Reduce, VarianceHasACorrection) {
  const Tensor x = tensor({1, 2, 4, 9}, Dtype::f64);
  EXPECT_NEAR(var(x).item(), 38.0 / 3, 1e-14);
  EXPECT_NEAR(var(x, 0, {.correction = 0}).item(), 38.0 / 4, 1e-14);
  EXPECT_TRUE(std::isnan(var(tensor({3})).item()));  // 0 / 0: one value has no unbiased variance
  EXPECT_EQ(var(tensor({3}), 0, {.correction = 0}).item(), 0);
}

TEST(Reduce, OfNothing) {
  const Tensor none = zeros({0, 3});
  EXPECT_TRUE(same_bits(sum(none, 0), zeros({3})));
  EXPECT_EQ(sum(none).item(), 0);
  EXPECT_TRUE(std::isnan(mean(none).item()));
  EXPECT_EQ(sum(none, 1).shape(), Shape{0});
  EXPECT_TRUE(same_bits(logsumexp(none, 0), full({3}, -infinity)));
  EXPECT_EQ(max(none, 1).shape(), Shape{0});
  EXPECT_EQ(error_of([&] { max(none, 0); }),
            "max: wanted at least one element along axes [0]; got shape [0, 3]");
  EXPECT_EQ(error_of([&] { min(none); }),
            "min: wanted at least one element along axes [0, 1]; got shape [0, 3]");
  EXPECT_EQ(error_of([&] { argmax(none, 0); }),
            "argmax: wanted at least one element along axis 0; got shape [0, 3]");
}

TEST(Reduce, NaNInNaNOut) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    for (const int64_t n : {1, 3, 40}) {
      for (const int64_t place : {int64_t{0}, n / 2, n - 1}) {
        const Tensor hit = equal(arange(n), tensor(static_cast<double>(place), Dtype::i64));
        const Tensor row = where(hit, tensor(not_a_number, dtype), arange(n, dtype));
        for (const Tensor& x : {row, stack({row, zeros({n}, dtype)}, 1)}) {  // along and across
          for (const Tensor& y : {sum(x, 0), mean(x, 0), max(x, 0), min(x, 0), logsumexp(x, 0)}) {
            EXPECT_TRUE(std::isnan(y.to(Dtype::f64).values<double>()[0]));
            if (y.rank() == 1) {
              EXPECT_FALSE(std::isnan(y.to(Dtype::f64).values<double>()[1]));
            }
          }
          EXPECT_EQ(argmax(x, 0).values<int64_t>()[0], place);
        }
      }
    }
  }
}

TEST(Reduce, LogsumexpAtTheEdges) {
  EXPECT_EQ(logsumexp(tensor({1e30, 1e30})).item(), tensor(1e30).item());
  EXPECT_NEAR(logsumexp(tensor({1000, 1000}, Dtype::f64)).item(), 1000 + std::log(2), 1e-12);
  EXPECT_EQ(logsumexp(tensor({infinity, 0})).item(), infinity);
  Tensor x = tensor({{-infinity, -infinity}, {-infinity, 0}}, Dtype::f64).set_requires_grad();
  const Tensor y = logsumexp(x, -1);
  EXPECT_EQ(y.str(), "f64[2] {-inf, 0}");
  EXPECT_EQ(grad({y}, {x}, {.cotangents = {ones({2}, Dtype::f64)}})[0].str(),
            "f64[2, 2] {{0, 0}, {0, 1}}");
}

TEST(Reduce, ArgmaxIsTheFirstOfEquals) {
  EXPECT_EQ(argmax(tensor({1, 3, 3, 2}), 0).item(), 1);
  EXPECT_EQ(argmax(tensor({{1, 5}, {7, 5}}), 0).str(), "i64[2] {1, 0}");
  EXPECT_EQ(argmax(tensor({-infinity, -infinity}), 0).item(), 0);
  EXPECT_EQ(argmax(arange(100), 0).item(), 99);
  Tensor x = tensor({1, 2}).set_requires_grad();
  EXPECT_FALSE(argmax(x, 0).requires_grad());
}

TEST(Reduce, TiesShareTheGradient) {
  Tensor x = tensor({{2, 2, 1}, {0, 3, 3}}).set_requires_grad();
  sum(max(x, -1)).backward();
  EXPECT_EQ(x.grad().str(), "f32[2, 3] {{0.5, 0.5, 0}, {0, 0.5, 0.5}}");
}

TEST(Reduce, WholeNumbersAndTruthValues) {
  const Tensor x = tensor({{1, -2}, {3, 4}}, Dtype::i64);
  EXPECT_EQ(sum(x, 0).str(), "i64[2] {4, 2}");
  EXPECT_EQ(max(x).item(), 4);
  EXPECT_EQ(min(x, 1).str(), "i64[2] {-2, 3}");
  constexpr int64_t large = int64_t{1} << 62;
  EXPECT_EQ(sum(from_values<int64_t>({large, 1, -large, 1})).item(), 2);
  EXPECT_EQ(error_of([&] { mean(x); }), "mean: wanted x of f32 or f64; got i64[2, 2]");
  EXPECT_EQ(error_of([] { sum(zeros({2}, Dtype::b8)); }),
            "sum: wanted x of f32, f64 or i64; got b8[2]");
}

// In f32 a running sum of 10 million ones would stop at 2^24.
TEST(Reduce, LongSumsStayAccurate) {
  EXPECT_EQ(sum(ones({20'000'000})).item(), 20'000'000);
  EXPECT_NEAR(mean(full({3'000'000}, 0.1)).item(), 0.1, 1e-7);
  EXPECT_NEAR(sum(full({3'000'000, 2}, 0.1), 0).values<float>()[1], 300'000, 300'000 * 2e-6);
}

TEST(Reduce, TheSameBitsForAnyNumberOfThreads) {
  Rng rng(2);
  const Tensor x = rng.normal({300, 50, 70});
  const auto all = [&](int threads) {
    const tests::WithThreads scope(threads);
    return Tensors{sum(x),       sum(x, 0),      sum(x, 1),        sum(x, {0, 2}),
                   mean(x, 2),   var(x, {0, 1}), max(x, 1),        logsumexp(x, {0, 1}),
                   argmax(x, 1), softmax(x),     log_softmax(x, 0)};
  };
  const Tensors one = all(1);
  for (const int threads : {2, 4}) {
    const Tensors more = all(threads);
    for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(same_bits(one[i], more[i])) << i;
  }
}

// Whatever the order of the axes in memory, and whichever are reduced.
TEST(Reduce, OfPermutedTensors) {
  Rng rng(3);
  for (int trial = 0; trial < 60; ++trial) {
    const Shape shape{rng.integer(1, 4), rng.integer(1, 20), rng.integer(1, 5), rng.integer(1, 4)};
    const std::vector<int64_t> drawn = rng.permutation(4).values<int64_t>();
    const Tensor x = permute(rng.normal(shape, 0, 1, Dtype::f64), Axes(drawn.begin(), drawn.end()));
    const Tensor dense = x.contiguous();
    for (int64_t set = 0; set < 16; ++set) {
      Axes axes;
      for (int64_t axis = 0; axis < 4; ++axis) {
        if (set >> axis & 1) axes.push_back(axis);
      }
      SCOPED_TRACE(text(x.shape(), ", strides ", x.strides(), ", over ", axes));
      EXPECT_TRUE(tests::close(sum(x, axes), sum(dense, axes), 1e-13));
      EXPECT_TRUE(
          tests::same_bits(max(x, axes, {.keepdim = true}), max(dense, axes, {.keepdim = true})));
      EXPECT_TRUE(tests::same_bits(min(x, axes), min(dense, axes)));
      EXPECT_TRUE(tests::close(logsumexp(x, axes), logsumexp(dense, axes), 1e-13));
      EXPECT_TRUE(tests::close(prod(x, axes), prod(dense, axes), 1e-12));
      EXPECT_TRUE(tests::close(norm(x, axes), norm(dense, axes), 1e-13));
      EXPECT_TRUE(tests::close(norm(x, axes, {.p = 1}), norm(dense, axes, {.p = 1}), 1e-13));
      EXPECT_TRUE(tests::close(var(x, axes, {.correction = 0}), var(dense, axes, {.correction = 0}),
                               1e-13));
      EXPECT_TRUE(same_bits(count_nonzero(x > 0, axes), count_nonzero(dense > 0, axes)));
      EXPECT_TRUE(sum(x, axes).is_contiguous());
    }
    for (int64_t axis = 0; axis < 4; ++axis) {
      EXPECT_TRUE(tests::same_bits(argmax(x, axis), argmax(dense, axis)));
      EXPECT_TRUE(tests::same_bits(argmin(x, axis), argmin(dense, axis)));
    }
  }
}

// Long rows, on both sides of a part, and many of them: two threads share one, or take turns.
TEST(Reduce, OfLongRowsOnAnyThreads) {
  for (const Shape& shape : {Shape{1 << 18}, {3, 70'001}, {16'385}, {40, 16'384}}) {
    SCOPED_TRACE(shape.str());
    Rng rng(5);
    const Tensor x = rng.normal(shape, 0.5);
    const Tensor wide = x.to(Dtype::f64);
    const double n = static_cast<double>(shape.back());
    const Tensor m = sum(wide, {-1}, {.keepdim = true}) / n;
    const auto check = [&] {
      EXPECT_TRUE(close(sum(x, {-1}).to(Dtype::f64), sum(wide, {-1}), 1e-6));
      EXPECT_TRUE(close(var(x, {-1}).to(Dtype::f64), sum(square(wide - m), {-1}) / (n - 1), 1e-6));
      EXPECT_TRUE(close(norm(x, {-1}).to(Dtype::f64), sqrt(sum(square(wide), {-1})), 1e-6));
      EXPECT_TRUE(close(norm(x, {-1}, {.p = 1}).to(Dtype::f64), sum(abs(wide), {-1}), 1e-6));
      EXPECT_TRUE(
          same_bits(gather(x, -1, unsqueeze(argmin(x, -1), -1)), min(x, {-1}, {.keepdim = true})));
      EXPECT_TRUE(same_bits(count_nonzero(x > 0, {-1}), sum((x > 0).to(Dtype::i64), {-1})));
    };
    check();
    const tests::WithThreads threads(1);
    check();
    const Tensor found[] = {sum(x, {-1}), var(x, {-1}), norm(x, {-1}), prod(x, {-1})};
    const tests::WithThreads more(4);
    EXPECT_TRUE(same_bits(sum(x, {-1}), found[0]));
    EXPECT_TRUE(same_bits(var(x, {-1}), found[1]));
    EXPECT_TRUE(same_bits(norm(x, {-1}), found[2]));
    EXPECT_TRUE(same_bits(prod(x, {-1}), found[3]));
  }
}

TEST(Reduce, ExtremesAndTheirPlacesInLongRows) {
  Tensor x = zeros({100'000});
  for (const int64_t place : {0, 16'383, 16'384, 60'000, 99'999}) {
    Tensor y = x.clone();
    y.mutable_data<float>()[place] = 1;
    EXPECT_EQ(argmax(y).item(), static_cast<double>(place));
    EXPECT_EQ(argmin(-y).item(), static_cast<double>(place));
    y.mutable_data<float>()[place] = static_cast<float>(not_a_number);
    EXPECT_EQ(argmax(y).item(), static_cast<double>(place));
    EXPECT_EQ(argmin(y).item(), static_cast<double>(place));
    EXPECT_TRUE(std::isnan(max(y).item()) && std::isnan(min(y).item()));
  }
  EXPECT_EQ(argmax(x).item(), 0);  // the first of equals
}

// ---- norms, moments, counts --------------------------------------------------------------------

TEST(Norm, NoPowerOverflowsOnTheWay) {
  for (const double size : {1e-300, 1e-160, 1e160, 1e300}) {
    const Tensor x = tensor({3, -4}, Dtype::f64) * size;
    EXPECT_NEAR(norm(x).item() / size, 5, 1e-14) << size;
    EXPECT_NEAR(norm(x, {0}, {.p = 3}).item() / size, std::cbrt(91.0), 1e-14) << size;
    EXPECT_NEAR(norm(x, {0}, {.p = -2}).item() / size, 2.4, 1e-14) << size;
    const Tensor columns = norm(stack({x, x * 2}, 1), {0});
    EXPECT_TRUE(close(columns / size, tensor({5, 10}, Dtype::f64), 1e-14));
  }
  EXPECT_NEAR(norm(tensor({3e30, 4e30})).item() / 5e30, 1, 1e-7);
  EXPECT_EQ(norm(tensor({1, infinity})).item(), infinity);
  EXPECT_TRUE(std::isnan(norm(tensor({not_a_number, infinity})).item()));
  EXPECT_EQ(norm(zeros({0})).item(), 0);
  EXPECT_EQ(norm(zeros({2, 0}), {1}, {.p = 3}).str(), "f32[2] {0, 0}");
}

TEST(Norm, WhereItIsZeroSoIsItsGradient) {
  for (const double p : {0.5, 1.0, 2.0, 3.0}) {
    Tensor x = zeros({3}).set_requires_grad();
    norm(x, {0}, {.p = p}).backward();
    EXPECT_EQ(x.grad().str(), "f32[3] {0, 0, 0}") << p;
  }
  Tensor x = ones({3}).set_requires_grad();
  stddev(x).backward();
  EXPECT_EQ(x.grad().str(), "f32[3] {0, 0, 0}");
}

TEST(Reduce, TruthOfNothing) {
  const Tensor none = zeros({2, 0}, Dtype::b8);
  EXPECT_EQ(any(none, {1}).str(), "b8[2] {false, false}");
  EXPECT_EQ(all(none, {1}).str(), "b8[2] {true, true}");
  EXPECT_EQ(count_nonzero(none).item(), 0);
  EXPECT_EQ(prod(zeros({0})).item(), 1);
  EXPECT_EQ(count_nonzero(tensor({0, -0.0, not_a_number, 2})).item(), 2);
}

TEST(Reduce, WhatTheNewOnesRefuse) {
  EXPECT_EQ(error_of([] { any(ones({2})); }), "any: wanted x of b8; got f32[2]");
  EXPECT_EQ(error_of([] { argmin(zeros({0})); }),
            "argmin: wanted at least one element; got shape [0]");
  EXPECT_EQ(error_of([] {
              norm(zeros({2, 0}), {1}, {.p = infinity});
            }),
            "norm: wanted at least one element along axes [1] for p = inf; got shape [2, 0]");
  EXPECT_EQ(error_of([] { norm(ones({2}), {0}, {.p = not_a_number}); }),
            "norm: wanted a number as p; got nan");
  EXPECT_EQ(error_of([] { stddev(arange(3)); }), "stddev: wanted x of f32 or f64; got i64[3]");
  EXPECT_EQ(error_of([] { min_with_indices(ones({2}), 1); }),
            "min_with_indices: wanted an axis in [-1, 1); got 1");
}

}  // namespace
}  // namespace rapt
