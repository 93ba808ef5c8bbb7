// Every fused op against its definition (but attention: attention_test.cpp).

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "../support/definitions.h"
#include "rapt/autograd/kernels/runtime/allocator.h"

namespace rapt {
namespace {

using tests::close;
using tests::expect_as_defined;
using tests::normal;
using tests::plain_log_softmax;
using tests::plain_softmax;
using tests::same_bits;
using In = const Tensors&;

constexpr double infinity = std::numeric_limits<double>::infinity();

// Lengths on both sides of a block of 16, and long enough for several threads.
const std::vector<Shape> row_shapes = {{1},        {5},       {2, 16}, {3, 17},
                                       {2, 3, 33}, {700, 40}, {4, 0},  {0, 4}};

// ---- softmax -----------------------------------------------------------------------------------

TEST(FusedSoftmax, IsAsDefined) {
  for (const Shape& shape : row_shapes) {
    if (shape.back() == 0) continue;  // the definition's max needs an element
    SCOPED_TRACE(shape.str());
    expect_as_defined([](In x) { return softmax(x[0]); }, [](In x) { return plain_softmax(x[0]); },
                      {normal(shape) * 3.0});
    expect_as_defined([](In x) { return log_softmax(x[0]); },
                      [](In x) { return plain_log_softmax(x[0]); }, {normal(shape) * 3.0});
  }
}

TEST(FusedSoftmax, OverAnyAxis) {
  for (const int64_t axis : {0, 1, -2}) {
    SCOPED_TRACE(axis);
    const auto moved = [axis](auto f) {
      return [f, axis](In x) { return transpose(f(transpose(x[0], axis, -1)), axis, -1); };
    };
    expect_as_defined([=](In x) { return softmax(x[0], axis); },
                      moved([](const Tensor& t) { return plain_softmax(t); }), {normal({4, 5, 6})});
    expect_as_defined([=](In x) { return log_softmax(x[0], axis); }, moved(plain_log_softmax),
                      {normal({4, 5, 6})});
  }
}

TEST(FusedSoftmax, OfNothingIsNothing) {
  EXPECT_EQ(softmax(zeros({3, 0})).shape(), (Shape{3, 0}));
  EXPECT_EQ(log_softmax(zeros({0, 3})).shape(), (Shape{0, 3}));
}

TEST(FusedSoftmax, NeverOverflows) {
  EXPECT_EQ(softmax(tensor({1e30, -1e30, 1e30})).str(), "f32[3] {0.5, 0, 0.5}");
  EXPECT_EQ(softmax(tensor({-1e30, -1e30})).str(), "f32[2] {0.5, 0.5}");
  EXPECT_EQ(log_softmax(tensor({1000, 0}, Dtype::f64)).str(), "f64[2] {0, -1000}");
}

TEST(FusedSoftmax, WhereEverythingIsMaskedItIsZeroAndSoIsTheGradient) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    Tensor x = tensor({{-infinity, -infinity}, {0, -infinity}}, dtype).set_requires_grad();
    EXPECT_TRUE(same_bits(softmax(x).detach(), tensor({{0, 0}, {1, 0}}, dtype)));
    const Tensor weight = tensor({{1, 2}, {3, 4}}, dtype);
    sum(softmax(x) * weight).backward();
    EXPECT_TRUE(close(x.grad(), zeros({2, 2}, dtype), 0));
    const Tensor g = grad({sum(softmax(x) * weight)}, {x}, {.create_graph = true})[0];
    EXPECT_TRUE(close(g.detach(), zeros({2, 2}, dtype), 0));
    EXPECT_TRUE(close(grad({sum(g * weight)}, {x})[0], zeros({2, 2}, dtype), 0));
    EXPECT_TRUE(
        close(log_softmax(x).detach(), tensor({{-infinity, -infinity}, {0, -infinity}}, dtype), 0));
  }
}

TEST(FusedSoftmax, AMaskedElementGetsNoWeightAndNoGradient) {
  for (const int64_t length : {3, 20, 40}) {
    Tensor x = normal({length});
    x.mutable_data<double>()[1] = -infinity;
    x.set_requires_grad();
    const Tensor y = softmax(x);
    EXPECT_EQ(select(y, 0, 1).item(), 0);
    EXPECT_NEAR(sum(y).item(), 1, 1e-14);
    sum(y * normal({length}, 2)).backward();
    EXPECT_EQ(select(x.grad(), 0, 1).item(), 0);
    EXPECT_EQ(sum(isfinite(x.grad()).to(Dtype::i64)).item(), static_cast<double>(length));
  }
}

TEST(FusedSoftmax, NaNPoisonsItsRowAndNoOther) {
  for (const int64_t place : {0, 5, 16, 36}) {  // in a whole block, and in the padded tail
    Tensor x = zeros({2, 37});
    x.mutable_data<float>()[place] = std::numeric_limits<float>::quiet_NaN();
    for (const Tensor& y : {softmax(x), log_softmax(x)}) {
      EXPECT_EQ(sum(isfinite(select(y, 0, 0)).to(Dtype::i64)).item(), 0);
      EXPECT_EQ(sum(isfinite(select(y, 0, 1)).to(Dtype::i64)).item(), 37);
    }
  }
}

// ---- norms -------------------------------------------------------------------------------------

Tensor plain_layer_norm(const Tensor& x, double eps) {
  const Tensor centred = x - mean(x, -1, {.keepdim = true});
  return centred / sqrt(mean(centred * centred, -1, {.keepdim = true}) + eps);
}

Tensor plain_rms_norm(const Tensor& x, double eps) {
  return x / sqrt(mean(x * x, -1, {.keepdim = true}) + eps);
}

TEST(FusedNorm, IsAsDefined) {
  for (const Shape& shape : row_shapes) {
    if (shape.back() == 0) continue;
    SCOPED_TRACE(shape.str());
    const Tensor x = normal(shape) * 2.0 + 0.5, gain = normal({shape.back()}, 2),
                 bias = normal({shape.back()}, 3);
    const double tolerance = shape.numel() > 1000 ? 1e-4 : 2e-5;  // dgain sums many rows
    expect_as_defined([](In in) { return layer_norm(in[0], in[1], in[2]); },
                      [](In in) { return plain_layer_norm(in[0], 1e-5) * in[1] + in[2]; },
                      {x, gain, bias}, tolerance);
    expect_as_defined([](In in) { return rms_norm(in[0], in[1]); },
                      [](In in) { return plain_rms_norm(in[0], 1e-5) * in[1]; }, {x, gain},
                      tolerance);
  }
}

TEST(FusedNorm, WithoutGainOrBias) {
  const Tensor x = normal({4, 19}), part = normal({19}, 2);
  expect_as_defined([](In in) { return layer_norm(in[0]); },
                    [](In in) { return plain_layer_norm(in[0], 1e-5); }, {x});
  expect_as_defined([](In in) { return layer_norm(in[0], in[1]); },
                    [](In in) { return plain_layer_norm(in[0], 1e-5) * in[1]; }, {x, part});
  expect_as_defined([](In in) { return layer_norm(in[0], {}, in[1]); },
                    [](In in) { return plain_layer_norm(in[0], 1e-5) + in[1]; }, {x, part});
  expect_as_defined([](In in) { return rms_norm(in[0]); },
                    [](In in) { return plain_rms_norm(in[0], 1e-5); }, {x});
}

TEST(FusedNorm, EpsilonIsAddedToTheVariance) {
  const Tensor x = normal({3, 8}) * 0.01;
  expect_as_defined([](In in) { return layer_norm(in[0], {}, {}, {.eps = 0.1}); },
                    [](In in) { return plain_layer_norm(in[0], 0.1); }, {x});
  expect_as_defined([](In in) { return rms_norm(in[0], {}, {.eps = 0.1}); },
                    [](In in) { return plain_rms_norm(in[0], 0.1); }, {x});
}

TEST(FusedNorm, ALargeMeanCostsNoDigits) {
  // 100,000 +- 1 in f32: a variance as the difference of squares would be noise.
  const Tensor x = tensor({99999, 100000, 100001, 100000});
  EXPECT_TRUE(close(layer_norm(x), tensor({-std::sqrt(2.0), 0, std::sqrt(2.0), 0}), 1e-4));
}

// ---- gelu and silu -----------------------------------------------------------------------------

Tensor plain_gelu_tanh(const Tensor& x) {
  const double c = std::sqrt(2 / std::numbers::pi);
  return x * 0.5 * (1.0 + tanh((x + x * x * x * 0.044715) * c));
}

TEST(FusedActivation, IsAsDefined) {
  for (const Shape& shape : {Shape{}, Shape{7}, Shape{3, 17}, Shape{90, 300}, Shape{0}}) {
    SCOPED_TRACE(shape.str());
    const Tensor x = normal(shape) * 3.0;
    expect_as_defined([](In in) { return gelu(in[0]); },
                      [](In in) { return in[0] * 0.5 * (1.0 + erf(in[0] / std::numbers::sqrt2)); },
                      {x});
    expect_as_defined([](In in) { return gelu(in[0], Gelu::tanh); },
                      [](In in) { return plain_gelu_tanh(in[0]); }, {x});
    expect_as_defined([](In in) { return silu(in[0]); },
                      [](In in) { return in[0] / (1.0 + exp(-in[0])); }, {x});
  }
}

TEST(FusedActivation, FarOutTheyAreStraightLines) {
  const auto check = [](auto f) {
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      Tensor x = tensor({-1000, -100, 100, 1000}, dtype).set_requires_grad();
      const Tensor y = f(x);
      EXPECT_TRUE(close(y.detach(), tensor({0, 0, 100, 1000}, dtype), 1e-12)) << y.str();
      sum(y).backward();
      EXPECT_TRUE(close(x.grad(), tensor({0, 0, 1, 1}, dtype), 1e-12)) << x.grad().str();
    }
  };
  check([](const Tensor& x) { return gelu(x); });
  check([](const Tensor& x) { return gelu(x, Gelu::tanh); });
  check([](const Tensor& x) { return silu(x); });
}

// ---- linear ------------------------------------------------------------------------------------

TEST(FusedLinear, IsAsDefined) {
  for (const Shape& shape : {Shape{5}, Shape{1, 5}, Shape{2, 3, 5}, Shape{300, 5}, Shape{0, 5}}) {
    SCOPED_TRACE(shape.str());
    expect_as_defined([](In in) { return linear(in[0], in[1], in[2]); },
                      [](In in) { return matmul(in[0], transpose(in[1])) + in[2]; },
                      {normal(shape), normal({7, 5}, 2), normal({7}, 3)}, 1e-4);
    expect_as_defined([](In in) { return linear(in[0], in[1]); },
                      [](In in) { return matmul(in[0], transpose(in[1])); },
                      {normal(shape), normal({7, 5}, 2)}, 1e-4);
  }
}

TEST(LinearEach, IsEachLinear) {
  Rng rng(1);
  const Tensor x = rng.normal({2, 130, 40});
  const Tensors w = {rng.normal({40, 40}), rng.normal({300, 40}), rng.normal({1, 40})};
  const Tensor bias = rng.normal({300});
  const Tensors out = linear_each(x, w, {Tensor(), bias, Tensor()});
  ASSERT_EQ(out.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(same_bits(out[i], linear(x, w[i], i == 1 ? bias : Tensor()))) << i;
  }
  EXPECT_TRUE(linear_each(x, Tensors()).empty());
  EXPECT_EQ(tests::error_of([&] { linear_each(x, w, {bias}); }),
            "linear_each: wanted a bias for each of 3 weights, or none; got 1");
  EXPECT_EQ(tests::error_of([&] {
              linear_each(x, {w[0], bias});
            }),
            "linear_each: wanted x [..., in] and weight [out, in]; got x [2, 130, 40] and weight "
            "[300]");
}

TEST(GeluLinear, IsLinearOfGelu) {
  for (const Gelu form : {Gelu::erf, Gelu::tanh}) {
    for (const Shape& shape : {Shape{5}, Shape{2, 3, 5}, Shape{700, 40}, Shape{0, 5}}) {
      SCOPED_TRACE(shape.str());
      const int64_t in = shape.back();
      expect_as_defined([=](In x) { return gelu_linear(x[0], x[1], x[2], form); },
                        [=](In x) { return linear(gelu(x[0], form), x[1], x[2]); },
                        {normal(shape), normal({7, in}, 2), normal({7}, 3)}, 1e-4);
    }
  }
  const Tensor x = normal({4, 5}), weight = normal({7, 5}, 2);
  EXPECT_TRUE(same_bits(gelu_linear(x, weight), linear(gelu(x), weight)));
}

// An x that nobody else holds is overwritten in the backward pass; one that somebody holds stays.
TEST(GeluLinear, OverwritesNoInputThatSomebodySees) {
  const Tensor start = normal({40, 5}), weight = normal({7, 5}, 2);
  const auto gradient = [&](auto use) {
    Tensor leaf = start.clone().set_requires_grad();
    use(leaf);
    return leaf.grad();
  };
  const Tensor wanted =
      gradient([&](const Tensor& leaf) { sum(linear(gelu(leaf), weight)).backward(); });
  const Tensor alone =
      gradient([&](const Tensor& leaf) { sum(gelu_linear(leaf + 0.0, weight)).backward(); });
  EXPECT_TRUE(close(alone, wanted, 1e-12));
  const Tensor held = gradient([&](const Tensor& leaf) {
    const Tensor x = leaf + 0.0;
    sum(gelu_linear(x, weight)).backward();
    EXPECT_TRUE(same_bits(x.detach(), start));
  });
  EXPECT_TRUE(same_bits(held, alone));
  const Tensor twice = gradient([&](const Tensor& leaf) {
    const Tensor y = sum(gelu_linear(leaf + 0.0, weight));
    y.backward({.retain_graph = true});
    y.backward();
  });
  EXPECT_TRUE(same_bits(twice, alone * 2.0));
  const Tensor needed = gradient([&](const Tensor& leaf) {  // by the rule of tanh
    sum(gelu_linear(tanh(leaf), weight)).backward();
  });
  EXPECT_TRUE(close(needed, gradient([&](const Tensor& leaf) {
                      sum(linear(gelu(tanh(leaf)), weight)).backward();
                    }),
                    1e-12));
}

TEST(GeluLinear, KeepsItsInputAlone) {
  const auto blocks_kept = [](auto f) {
    Tensor x = normal({64, 64}).set_requires_grad();
    const Tensor weight = normal({64, 64}, 2);
    const size_t before = kernels::blocks_in_use();
    const Tensor y = f(x + 1.0, weight);
    return kernels::blocks_in_use() - before;
  };
  // The other way keeps gelu's output too: its elements, its handle and its place in the graph.
  EXPECT_LT(blocks_kept([](const Tensor& x, const Tensor& w) { return gelu_linear(x, w); }),
            blocks_kept([](const Tensor& x, const Tensor& w) { return linear(gelu(x), w); }));
}

// ---- dropout -----------------------------------------------------------------------------------

TEST(Dropout, DropsAndScalesAndIsItsOwnGradient) {
  Rng rng(3);
  const Rng before = rng;
  Tensor x = (ones({100'000}) * 3.0).set_requires_grad();
  const Tensor y = dropout(x, 0.25, rng);
  double kept = 0;
  for (const float v : y.values<float>()) {
    ASSERT_TRUE(v == 0 || v == 4);
    kept += v != 0;
  }
  EXPECT_NEAR(kept / 100'000, 0.75, 5 * std::sqrt(0.1875 / 100'000));
  sum(y).backward();
  EXPECT_TRUE(same_bits(x.grad() * 3.0, y.detach()));
  Rng again = before;  // a function of the stream's state
  EXPECT_TRUE(same_bits(dropout(x.detach(), 0.25, again), y.detach()));
  EXPECT_TRUE(same_bits(again.state(), rng.state()));
  EXPECT_FALSE(same_bits(dropout(x.detach(), 0.25, rng), y.detach()));
}

TEST(Dropout, NoElementFollowsAnother) {
  Rng rng(4);
  const Tensor kept = not_equal(dropout(ones({100'000}), 0.5, rng), zeros({})).to(Dtype::f64);
  for (const int64_t lag : {1, 2, 16, 32, 64, 1024, 16384, 32768}) {  // also over the loop's pieces
    const int64_t n = 100'000 - lag;
    const double both = mean(slice(kept, 0, 0, n) * slice(kept, 0, lag, n + lag)).item();
    EXPECT_NEAR(both, 0.25, 5 * std::sqrt(0.1875 / static_cast<double>(n))) << lag;
  }
}

TEST(Dropout, OfProbabilityZeroIsNothingAndDrawsNothing) {
  Rng rng(3);
  const Tensor state = rng.state(), x = ones({4});
  EXPECT_TRUE(dropout(x, 0, rng).same_as(x));
  EXPECT_TRUE(same_bits(rng.state(), state));
}

}  // namespace
}  // namespace rapt
