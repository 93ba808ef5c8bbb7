// The elementary functions of f32 beside the C library's of f64; what holds at their edges; whole
// numbers.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "../support/tensors.h"
#include "rapt/autograd/ops.h"

namespace rapt {
namespace {

using tests::error_of;

constexpr double inf = std::numeric_limits<double>::infinity();
const double nan = std::numeric_limits<double>::quiet_NaN();

struct Function {
  const char* name;
  Tensor (*f)(const Tensor&);
  double (*exact)(double);
  double low, high;  // of the arguments
};

const Function functions[] = {
    {"log1p", log1p, std::log1p, -0.999999, 1e6},
    {"expm1", expm1, std::expm1, -80, 80},
    {"sinh", sinh, std::sinh, -80, 80},
    {"cosh", cosh, std::cosh, -80, 80},
    {"tan", tan, std::tan, -1.57, 1.57},
    {"asin", asin, std::asin, -1, 1},
    {"acos", acos, std::acos, -1, 1},
    {"atan", atan, std::atan, -1e4, 1e4},
};

/// Spread over the range, and close to 0, on both sides.
std::vector<float> arguments(double low, double high) {
  std::vector<float> out;
  for (int i = 0; i <= 20'000; ++i) out.push_back(static_cast<float>(low + (high - low) * i / 2e4));
  for (double x = 1; x > 1e-44; x /= 1.3) {
    for (const double v : {x, -x}) {
      if (v >= low && v <= high) out.push_back(static_cast<float>(v));
    }
  }
  return out;
}

TEST(Elementary, FunctionsOfF32AreRightToTheLastDigits) {
  for (const Function& one : functions) {
    const std::vector<float> x = arguments(one.low, one.high);
    const std::vector<float> y = one.f(from_values(x)).values<float>();
    double worst = 0, at = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double exact = one.exact(double{x[i]});
      const double size = std::max(std::abs(exact), double{std::numeric_limits<float>::min()});
      const double error = std::abs(y[i] - exact) / size;
      if (!(error <= worst)) worst = error, at = x[i];
    }
    EXPECT_LE(worst, 5e-7) << one.name << " at " << at;
  }
}

// log(1 + exp(x)), written so, is 17 % off at -15.
TEST(Elementary, SoftplusKeepsItsDigits) {
  for (const double x : {-80.0, -30.0, -15.0, -1.0, 0.0, 1.0, 15.0, 80.0}) {
    const double exact = x > 30 ? x : std::log1p(std::exp(x));
    const Tensor at = tensor({x});
    EXPECT_NEAR(softplus(at).item() / exact, 1, 5e-7) << x;
    EXPECT_NEAR(logsigmoid(-at).item() / -exact, 1, 5e-7) << x;
  }
}

TEST(Elementary, AtTheEdgesTheyAreAsC) {
  const std::vector<double> edges = {-inf, -2, -1, -0.0, 0.0, 1, 2, inf, nan};
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    for (const Function& one : functions) {
      const std::vector<double> y =
          one.f(from_values(edges).to(dtype)).to(Dtype::f64).values<double>();
      for (size_t i = 0; i < edges.size(); ++i) {
        const double exact = one.exact(edges[i]);
        SCOPED_TRACE(text(one.name, "(", edges[i], ") in ", dtype));
        EXPECT_EQ(std::isnan(y[i]), std::isnan(exact));
        if (std::isnan(exact)) continue;
        if (std::isinf(exact) || exact == 0) {
          EXPECT_EQ(y[i], exact);
          EXPECT_EQ(std::signbit(y[i]), std::signbit(exact));
        } else {
          EXPECT_NEAR(y[i], exact, 5e-7 * std::abs(exact));
        }
      }
    }
  }
}

TEST(Elementary, RoundingsKeepWhatIsNoNumberAndTheSignOfZero) {
  const Tensor x = tensor({-0.3, 0.5, 1.5, 2.5, -inf, nan, 1e10});
  EXPECT_EQ(floor(x).str(), "f32[7] {-1, 0, 1, 2, -inf, nan, 1e+10}");
  EXPECT_EQ(ceil(x).str(), "f32[7] {-0, 1, 2, 3, -inf, nan, 1e+10}");
  EXPECT_EQ(round(x).str(), "f32[7] {-0, 0, 2, 2, -inf, nan, 1e+10}");
  EXPECT_EQ(trunc(x).str(), "f32[7] {-0, 0, 1, 2, -inf, nan, 1e+10}");
  EXPECT_EQ(sign(x).str(), "f32[7] {-1, 1, 1, 1, -1, nan, 1}");
}

TEST(WholeNumbers, QuotientsAndRests) {
  constexpr int64_t lowest = std::numeric_limits<int64_t>::min();
  const Tensor a = from_values<int64_t>({7, -7, lowest, lowest}),
               b = from_values<int64_t>({-3, 3, -1, 1});
  EXPECT_EQ(div(a, b, Rounding::floor).values<int64_t>(),
            (std::vector<int64_t>{-3, -3, lowest, lowest}));
  EXPECT_EQ(div(a, b, Rounding::trunc).values<int64_t>(),
            (std::vector<int64_t>{-2, -2, lowest, lowest}));
  EXPECT_EQ(remainder(a, b).values<int64_t>(), (std::vector<int64_t>{-2, 2, 0, 0}));
  EXPECT_EQ(fmod(a, b).values<int64_t>(), (std::vector<int64_t>{1, -1, 0, 0}));
  EXPECT_EQ(remainder(7, from_values<int64_t>({4})).values<int64_t>(), std::vector<int64_t>{3});
  EXPECT_EQ(pow(2, from_values<int64_t>({62, 63, 64})).values<int64_t>(),
            (std::vector<int64_t>{int64_t{1} << 62, lowest, 0}));
  EXPECT_EQ(clamp(a, -inf, 3).values<int64_t>(), (std::vector<int64_t>{3, -7, lowest, lowest}));
}

// The address sanitizer's build also stops at a signed overflow.
TEST(WholeNumbers, SumsAndProductsWrapAround) {
  constexpr int64_t lowest = std::numeric_limits<int64_t>::min(), highest = -1 - lowest;
  using Values = std::vector<int64_t>;
  const auto values = [](const Tensor& y) { return y.values<int64_t>(); };
  const Tensor x = from_values<int64_t>({highest, lowest}), two = from_values<int64_t>({2, 2});
  EXPECT_EQ(values(x + two), (Values{lowest + 1, lowest + 2}));
  EXPECT_EQ(values(x + 2), (Values{lowest + 1, lowest + 2}));
  EXPECT_EQ(values(x - two), (Values{highest - 2, highest - 1}));
  EXPECT_EQ(values(x - 2), (Values{highest - 2, highest - 1}));
  EXPECT_EQ(values(-3 - x), (Values{highest - 1, highest - 2}));
  EXPECT_EQ(values(x * two), (Values{-2, 0}));
  EXPECT_EQ(values(x * 2), (Values{-2, 0}));
  EXPECT_EQ(values(abs(x)), (Values{highest, lowest}));
  EXPECT_EQ(values(-x), (Values{lowest + 1, lowest}));

  // Rows, columns and many: each way in which sums are made.
  for (const Shape& shape : {Shape{1, 40}, Shape{40, 1}, Shape{300, 7}, Shape{3, 5000}}) {
    for (int64_t axis : {0, 1}) {
      const int64_t n = shape[axis];
      const auto expected = n % 2 == 0 ? -n : highest - n + 1;
      const Tensor y = sum(expand(x[0], shape), axis);
      EXPECT_EQ(values(y), Values(static_cast<size_t>(y.numel()), expected)) << shape << axis;
    }
  }
  const Tensor at = from_values<int64_t>({0, 0, 1});
  const Tensor source = from_values<int64_t>({1, 1, -1});
  EXPECT_EQ(values(index_add(x, 0, at, source)), (Values{lowest + 1, highest}));
  EXPECT_EQ(values(scatter_add(x, 0, at, source)), (Values{lowest + 1, highest}));
}

TEST(WholeNumbers, WhatHasNoAnswerIsAnError) {
  const Tensor a = from_values<int64_t>({1, 2});
  EXPECT_EQ(error_of([&] { div(a, 0, Rounding::floor); }),
            "div: wanted divisors other than 0; got 0 at 0 of i64[]");
  EXPECT_EQ(error_of([&] {
              remainder(a, from_values<int64_t>({3, 0}));
            }),
            "remainder: wanted divisors other than 0; got 0 at 1 of i64[2]");
  EXPECT_EQ(error_of([&] { pow(a, -1); }),
            "pow: wanted exponents of at least 0 for i64; got -1 at 0 of i64[]");
  EXPECT_EQ(error_of([&] { pow(a, 0.5); }),
            "pow: wanted a whole number beside i64[2]; got 0.5 (convert the tensor with to())");
  EXPECT_EQ(error_of([&] { div(a, a); }), "div: wanted an argument of f32 or f64; got i64[2]");
  EXPECT_EQ(error_of([&] { clamp(a, 0.5, 2); }), "clamp: wanted a whole number for i64; got 0.5");
  EXPECT_EQ(error_of([&] { softplus(tensor({1}), 0); }),
            "softplus: wanted a finite beta > 0; got 0");
}

}  // namespace
}  // namespace rapt
