// Values and gradients where numbers are not finite, or nearly so: tiny, huge, all -inf, empty.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "../support/tensors.h"
#include "rapt/autograd/ops.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr Dtype f64 = Dtype::f64;

/// The gradient of the sum of f(x), by the kernels and by create_graph, which have to agree in
/// class (finite, inf, NaN) everywhere.
Tensor gradient(FunctionRef<Tensor(const Tensor&)> f, const Tensor& at, double tolerance = 1e-6) {
  const Tensor x = at.detach().clone().set_requires_grad();
  const Tensor found = grad({sum(f(x))}, {x})[0];
  const Tensor by_graph = grad({sum(f(x))}, {x}, {.create_graph = true})[0].detach();
  EXPECT_TRUE(close(by_graph, found, tolerance)) << "by create_graph";
  return found;
}

TEST(NotFinite, LogOfSubnormalNumbers) {
  EXPECT_TRUE(close(log(tensor({1e-38, 1e-39, 1e-40, 1e-45, 0, -1})),
                    tensor({-87.49823, -89.80082, -92.10340, -103.27893, -inf, nan}), 1e-6));
  EXPECT_TRUE(close(log(tensor({1e-308, 1e-310, 5e-324, 0}, f64)),
                    tensor({-709.1962086421661, -713.8013788281542, -744.4400719213812, -inf}, f64),
                    1e-13));
  EXPECT_TRUE(close(select(log(softmax(tensor({0, -87.5}))), 0, 1), tensor(-87.5), 1e-6));
}

TEST(NotFinite, ErfStaysInside1) {
  const Tensor x = (arange(40000).to(Dtype::f32) - 20000.0) / 2000.0;  // -10 to 10
  const std::vector<float> y = erf(x).values<float>(), g = gelu(x).values<float>();
  for (size_t i = 0; i < y.size(); ++i) {
    ASSERT_LE(std::abs(y[i]), 1.0F);
    if (i < 20000) {
      ASSERT_LE(g[i], 0.0F) << "gelu of a negative number";
    }
  }
}

TEST(NotFinite, GeluByTanhKeepsItsDigits) {
  const Tensor y = gelu(tensor({-5, -4}), Gelu::tanh);
  EXPECT_NEAR(y.values<float>()[0], -2.29e-7, 1e-9);
  EXPECT_NEAR(y.values<float>()[1], -7.0246e-5, 1e-8);
  const auto f = [](const Tensor& x) { return gelu(x, Gelu::tanh); };
  EXPECT_TRUE(close(gradient(f, tensor({-1e20, 1e20, -1e10, 30, -3e38, nan})),
                    tensor({0, 1, 0, 1, 0, nan}), 1e-6));
}

// Every edge of pow is that of C's.
TEST(NotFinite, PowIsThatOfC) {
  const std::vector<double> bases = {0,   -0.0, 1,    -1,   2,     -2,   inf,  -inf, nan,
                                     0.5, 0.9,  1e19, 1e-3, 1e-19, 30.0, -3.5, 7.25, -0.125};
  for (const Dtype dtype : {Dtype::f32, f64}) {
    const Tensor x = from_values(bases).to(dtype);
    for (const double e : {0.5, -0.5, -1.0, -2.0, 0.0, 1.0, 2.0, 3.0, 4.0, -3.0, 1.7, -2.3, 0.25}) {
      std::vector<double> wanted;
      for (const double base : bases) {
        const double exponent = dtype == f64 ? e : static_cast<double>(static_cast<float>(e));
        wanted.push_back(std::pow(base, exponent));
      }
      EXPECT_TRUE(close(pow(x, e), from_values(wanted).to(dtype), dtype == f64 ? 1e-13 : 1e-6))
          << e << " in " << name_of(dtype);
    }
  }
}

// Over all of f32, results below the smallest normal number among them.
TEST(NotFinite, PowIsRoundedOnce) {
  Rng rng(5);
  const Tensor x = exp(rng.uniform({4000}, -100, 88, f64)).to(Dtype::f32);
  for (const double e : {1.7, -2.3, 0.1, -0.01, 5.0, -7.0, 2.5, 31.25, 1000.0}) {
    const std::vector<float> got = pow(x, e).values<float>(), bases = x.values<float>();
    for (size_t i = 0; i < got.size(); ++i) {
      const double wanted = std::pow(double{bases[i]}, double{static_cast<float>(e)});
      const auto rounded = static_cast<float>(wanted);
      const double ulp =
          double{std::nextafter(rounded, std::numeric_limits<float>::infinity())} - rounded;
      EXPECT_TRUE(rounded == got[i] || std::abs(double{got[i]} - wanted) <= 0.52 * ulp)
          << bases[i] << " to the " << e << " is " << wanted << "; got " << got[i];
    }
  }
}

// The largest of a row, whole vectors and a rest, with NaN anywhere.
TEST(NotFinite, ANaNAnywhereInARowIsItsExtreme) {
  for (const int64_t n : {1, 3, 16, 17, 40}) {
    for (int64_t at = 0; at < n; ++at) {
      Tensor x = Rng(1).normal({n});
      EXPECT_EQ(max(x).item(), x.values<float>()[static_cast<size_t>(argmax(x, 0).item())]);
      EXPECT_EQ(-min(-x).item(), max(x).item());
      x.mutable_data<float>()[at] = NAN;
      EXPECT_TRUE(std::isnan(max(x).item())) << n << ", " << at;
      EXPECT_TRUE(std::isnan(min(x).item())) << n << ", " << at;
    }
  }
}

// The same over columns, more than are gone through together, and of their first index.
TEST(NotFinite, ExtremesOfColumnsWithTiesAndNaN) {
  Rng rng(11);
  const Shape shape = {3, 7, 1030};
  std::vector<double> values(static_cast<size_t>(shape.numel()));
  const std::vector<double> draws = rng.uniform(shape, 0, 12, f64).values<double>();
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = draws[i] > 11.5 ? nan : std::floor(draws[i]);
  }
  for (const Dtype dtype : {Dtype::f32, f64}) {
    const Tensor x = from_values(values).to(dtype);
    for (const int64_t axis : {0, 1, 2}) {
      const Tensor rows = transpose(reshape(x, shape), axis, -1);
      const int64_t n = shape[axis];
      const Tensor dense = reshape(rows.contiguous(), {-1, n}).to(f64);
      const std::vector<double> in = dense.values<double>();
      std::vector<double> best;
      std::vector<int64_t> where;
      for (size_t row = 0; row < in.size() / static_cast<size_t>(n); ++row) {
        size_t at = row * static_cast<size_t>(n);
        for (size_t i = at; i < (row + 1) * static_cast<size_t>(n) && !std::isnan(in[at]); ++i) {
          if (in[i] > in[at] || std::isnan(in[i])) at = i;
        }
        best.push_back(in[at]);
        where.push_back(static_cast<int64_t>(at % static_cast<size_t>(n)));
      }
      const auto in_order = [&](const Tensor& over_rows) { return reshape(over_rows, {-1}); };
      const Tensor over = reshape(x, shape);
      EXPECT_TRUE(close(in_order(transpose(max(over, {axis}, {.keepdim = true}), axis, -1)).to(f64),
                        from_values(best), 0));
      EXPECT_TRUE(close(
          in_order(transpose(neg(min(neg(over), {axis}, {.keepdim = true})), axis, -1)).to(f64),
          from_values(best), 0));
      EXPECT_EQ(
          in_order(transpose(argmax(over, axis, {.keepdim = true}), axis, -1)).values<int64_t>(),
          where);
    }
  }
}

TEST(NotFinite, LogsumexpNearTies) {
  const auto f = [](const Tensor& x) { return logsumexp(x); };
  EXPECT_TRUE(close(gradient(f, tensor({1e8, 1e8})), tensor({0.5, 0.5}), 1e-6));
  EXPECT_TRUE(close(gradient(f, tensor({1, inf, 5})), tensor({0, nan, 0}), 1e-6));
  EXPECT_TRUE(close(gradient(f, tensor({-inf, -inf})), tensor({0, 0}), 1e-6));
  EXPECT_TRUE(close(gradient(f, tensor({-inf, 2, -inf})), tensor({0, 1, 0}), 1e-6));
  EXPECT_EQ(f(tensor({1, inf, 5})).item(), inf);
  EXPECT_EQ(f(tensor({-inf, -inf})).item(), -inf);
  EXPECT_TRUE(std::isnan(f(tensor({1, nan, 5})).item()));
  EXPECT_EQ(f(tensor({inf, -inf})).item(), inf);
}

TEST(NotFinite, SoftmaxesOfNothingButMinusInf) {
  const Tensor none = full({2, 3}, -inf), some = tensor({{-inf, 1, -inf}, {-inf, -inf, -inf}});
  for (const Tensor& x : {none, some}) {
    const auto weighted = [](const Tensor& y) { return y * tensor({1, 2, 3}); };
    const auto soft = [&](const Tensor& t) { return weighted(softmax(t)); };
    const Tensor zero = zeros(x.shape());
    EXPECT_TRUE(close(gradient(soft, x), zero, 1e-6));
    const auto hard = [&](const Tensor& t) {
      const Tensor y = log_softmax(t);
      return masked_fill(weighted(y), logical_not(isfinite(y)), 0);
    };
    EXPECT_TRUE(close(gradient(hard, x), zero, 1e-6));
  }
  const auto plain = [](const Tensor& t) { return log_softmax(t); };
  EXPECT_TRUE(close(gradient(plain, full({2}, -inf)), tensor({0, 0}), 1e-6));
}

// NaN in, NaN out: not the 0 of a row that is all -inf. Along rows, and along columns.
TEST(NotFinite, SoftmaxesOfNaN) {
  const Tensor x = tensor({{1, nan}, {-inf, -inf}, {nan, nan}, {2, inf}});
  const Tensor wanted = tensor({{nan, nan}, {0, 0}, {nan, nan}, {nan, nan}});
  for (const auto f : {+[](const Tensor&t, int64_t axis) { return log_softmax(t, axis); },
                       +[](const Tensor&t, int64_t axis) { return softmax(t, axis); }}) {
    EXPECT_TRUE(close(gradient([&](const Tensor& t) { return f(t, 1); }, x), wanted, 1e-6));
    EXPECT_TRUE(close(gradient([&](const Tensor& t) { return f(t, 0); }, transpose(x)),
                      transpose(wanted), 1e-6));
  }
}

// And the 0 of a row that is all -inf stays, whatever arrives.
TEST(NotFinite, NothingButMinusInfGivesNoGradient) {
  const Tensor arrives = tensor({inf, nan, 2}), none = full({3}, -inf);
  for (const bool rows : {true, false}) {
    const int64_t axis = rows ? 0 : 1;
    const Tensor x = rows ? none : expand(none, {2, 3});
    const auto weighted = [&](const Tensor& y) { return rows ? y * arrives : y * nan; };
    const auto soft = [&](const Tensor& t) { return weighted(softmax(t, axis)); };
    const auto log_soft = [&](const Tensor& t) { return weighted(log_softmax(t, axis)); };
    const auto log_sum = [&](const Tensor& t) { return weighted(logsumexp(t, {axis})); };
    EXPECT_TRUE(close(gradient(soft, x), zeros(x.shape()), 1e-6));
    EXPECT_TRUE(close(gradient(log_soft, x), zeros(x.shape()), 1e-6));
    EXPECT_TRUE(close(gradient(log_sum, x), zeros(x.shape()), 1e-6));
  }
}

// As the formula has it: 1 / inf is 0, and inf * 0 is NaN.
TEST(NotFinite, RmsNormOfInf) {
  const Tensor x = tensor({1, -inf, 2});
  EXPECT_TRUE(close(rms_norm(x), tensor({0, nan, 0}), 1e-6));
  EXPECT_TRUE(close(layer_norm(x), full({3}, nan), 1e-6));
  const auto of_gain = [&](const Tensor& gain) { return rms_norm(x, gain); };
  EXPECT_TRUE(close(gradient(of_gain, tensor({1, 2, 3})), tensor({0, nan, 0}), 1e-6));
}

// The slope is one number: inf * (a - b), not inf * a - inf * b.
TEST(NotFinite, CurvesUnderAnInfiniteGradient) {
  for (const auto f : {+[](const Tensor& x) { return gelu(x); },
                       +[](const Tensor& x) { return gelu(x, Gelu::tanh); },
                       +[](const Tensor& x) { return silu(x); },
                       +[](const Tensor& x) {
                         return gelu_linear(x, ones({1, 2}));
                       }}) {
    const auto times_inf = [&](const Tensor& x) { return f(x) * inf; };
    EXPECT_TRUE(close(gradient(times_inf, tensor({1, -2})), tensor({inf, -inf}), 1e-6));
  }
}

TEST(NotFinite, VarianceWithNothingToDivideBy) {
  EXPECT_TRUE(std::isnan(var(zeros({0})).item()));
  EXPECT_EQ(var(tensor({1, 3}), 0, {.correction = 3}).item(), inf);
  EXPECT_TRUE(std::isnan(var(tensor({1})).item()));
}

TEST(NotFinite, NormsOfHugeNumbers) {
  const Tensor big = tensor({2e19, -2e19, 1e19}), bigger = tensor({1e30, 2e30, 3e30, 4e30});
  EXPECT_TRUE(close(rms_norm(big), tensor({1.1547, -1.1547, 0.57735}), 1e-5));
  EXPECT_TRUE(close(layer_norm(bigger), tensor({-1.3416, -0.4472, 0.4472, 1.3416}), 1e-4));
  EXPECT_TRUE(close(layer_norm(full({5}, 3e38)), zeros({5}), 1e-5));
  // The gradient is that of the same row at a smaller size, divided by it: compared in f64.
  const Tensor weights = tensor({1, -2, 3, 0.5});
  const auto norms = {+[](const Tensor& x) { return rms_norm(x, {}, {.eps = 0}); },
                      +[](const Tensor& x) { return layer_norm(x, {}, {}, {.eps = 0}); }};
  for (const auto norm : norms) {
    const auto f = [&](const Tensor& x) { return norm(x) * weights.to(x.dtype()); };
    for (const double size : {1e19, 1e25, 1e30}) {
      const Tensor x = tensor({1, 2, -3, 4}) * size;
      const Tensor exact = gradient(f, x.to(f64), 1e-9);
      const double scale = max(abs(exact)).item();
      EXPECT_TRUE(close(gradient(f, x, 1e-5).to(f64) / scale, exact / scale, 1e-5)) << size;
      EXPECT_TRUE(close(norm(x).to(f64), norm(x.to(f64)), 1e-5)) << size;
    }
  }
}

// Rows near 10,000 or 100,000 lose no digits: maximum and sum are kept apart.
TEST(NotFinite, CrossEntropyFarFromZero) {
  const auto f = [](const Tensor& x) {
    return cross_entropy(x, full({x.size(0)}, 0, Dtype::i64)).sum;
  };
  const Tensor x = tensor({{10000, 10000.5, 10001, 9999}});
  EXPECT_TRUE(close(gradient(f, x), tensor({{-0.8256285, 0.2874900, 0.4739908, 0.0641477}}), 1e-6));
  for (const double offset : {0.0, 100.0, 10000.0, 100000.0}) {
    const Tensor logits = Rng(1).normal({20, 33}, offset, 3);
    const Tensor exact = gradient(f, logits.to(f64));
    EXPECT_TRUE(close(gradient(f, logits).to(f64), exact, 5e-7)) << offset;
  }
}

TEST(NotFinite, CrossEntropyRowsThatDoNotCount) {
  const Tensor targets = from_values<int64_t>({-100, 1});
  const auto f = [&](const Tensor& x) { return cross_entropy(x, targets).sum; };
  const Tensor g = gradient(f, tensor({{nan, 1, inf}, {1, 2, 3}}));
  EXPECT_TRUE(close(select(g, 0, 0), zeros({3}), 0));
  EXPECT_TRUE(isfinite(sum(g)).values<bool>()[0]);
  // A row of nothing but -inf: the loss is inf, the gradient 0, through either function.
  const Tensor none = tensor({{-inf, -inf, -inf}, {1, 2, 3}});
  const Tensor all = from_values<int64_t>({0, 1});
  const auto direct = [&](const Tensor& x) { return cross_entropy(x, all).sum; };
  const auto composed = [&](const Tensor& x) { return nll_loss(log_softmax(x), all).sum; };
  EXPECT_EQ(direct(none).item(), inf);
  EXPECT_EQ(composed(none).item(), inf);
  EXPECT_TRUE(close(gradient(direct, none), gradient(composed, none), 1e-6));
  EXPECT_TRUE(close(select(gradient(direct, none), 0, 0), zeros({3}), 0));
}

// What i64 and b8 cannot hold is an error wherever a number becomes an element.
TEST(NotFinite, NumbersThatI64AndB8CannotHold) {
  const Tensor whole = arange(3), mask = from_values<bool>({true, false, false});
  const auto refused = [](const char* function, const auto& call) {
    const std::string error = error_of(call);
    EXPECT_TRUE(error.starts_with(text(function, ": wanted"))) << error;
  };
  for (const double bad : {nan, inf, -inf, 1e30, 0x1p63, 0.5}) {
    SCOPED_TRACE(bad);
    refused("full", [&] { full({2}, bad, Dtype::i64); });
    refused("tensor", [&] { tensor({1, bad}, Dtype::i64); });
    refused("masked_fill", [&] { masked_fill(whole, mask, bad); });
    refused("add", [&] { whole + bad; });
    refused("mul", [&] { whole* bad; });
    refused("full", [&] { full({2}, bad, Dtype::b8); });
    refused("masked_fill", [&] { masked_fill(mask, mask, bad); });
    if (bad == 0.5) continue;
    refused("to", [&] { tensor({1, bad}, f64).to(Dtype::i64); });
    refused("to", [&] { tensor({1, bad}).to(Dtype::i64); });
  }
  EXPECT_EQ(error_of([&] {
              tensor({1, nan}).to(Dtype::i64);
            }),
            "to: wanted numbers that i64 can hold; got nan at 1 of f32[2]");
  EXPECT_EQ(error_of([&] { full({2}, 0.5, Dtype::i64); }),
            "full: wanted a whole number for i64; got 0.5");
  EXPECT_EQ(tensor({-2.7, -0x1p63}, f64).to(Dtype::i64).values<int64_t>(),
            (std::vector<int64_t>{-2, std::numeric_limits<int64_t>::min()}));
}

// A class of weight 0 has no say, whatever its logits: 0 * -inf is NaN.
TEST(NotFinite, ClassWeightsAreNumbers) {
  const Tensor x = tensor({{1, 2, 3}}), targets = from_values<int64_t>({0});
  for (const double bad : {inf, nan}) {
    const ClassificationOptions options{.class_weights = tensor({1, 2, bad})};
    const std::string says = text(": wanted finite class_weights; got ", bad, " at 2");
    EXPECT_EQ(error_of([&] { cross_entropy(x, targets, options); }), "cross_entropy" + says);
    EXPECT_EQ(error_of([&] { nll_loss(x, targets, options); }), "nll_loss" + says);
    EXPECT_EQ(error_of([&] { count_targets(targets, options); }), "count_targets" + says);
  }
}

TEST(NotFinite, ClassesWithoutWeight) {
  const Tensor weights = tensor({0, 1, 1}), targets = from_values<int64_t>({0, 1});
  const ClassificationOptions options{.class_weights = weights};
  for (const Tensor& x :
       {tensor({{-inf, 1, 2}, {1, 2, 3}}), tensor({{-inf, -inf, -inf}, {1, 2, 3}})}) {
    const auto direct = [&](const Tensor& t) { return cross_entropy(t, targets, options).sum; };
    const auto composed = [&](const Tensor& t) {
      return nll_loss(log_softmax(t), targets, options).sum;
    };
    EXPECT_NEAR(direct(x).item(), 1.4076, 1e-4);
    EXPECT_NEAR(composed(x).item(), 1.4076, 1e-4);
    EXPECT_TRUE(close(select(gradient(direct, x), 0, 0), zeros({3}), 0));
    EXPECT_TRUE(close(select(gradient(composed, x), 0, 0), zeros({3}), 0));
  }
}

}  // namespace
}  // namespace rapt
