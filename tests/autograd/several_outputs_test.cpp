// Ops of several outputs: record() of Tensors, and the ops of rapt's own that have them.

#include <gtest/gtest.h>

#include "../support/tensors.h"
#include "rapt/autograd/gradient.h"
#include "rapt/autograd/gradient_check_gtest.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/recompute.h"
#include "rapt/autograd/record.h"

namespace rapt {
namespace {

using tests::error_of;
using tests::leaf;

Tensor undefined_as_zeros(const Tensor& g, const Tensor& like) {
  return g.defined() ? g : zeros(like.shape(), like.dtype());
}

/// sin(x) and cos(x), as one op; `runs` counts how often its rule has run.
Tensors sin_and_cos(const Tensor& x, int* runs = nullptr) {
  return record(
      "sin_and_cos", {x},
      [&]() -> Tensors {
        return {sin(x), cos(x)};
      },
      [x, runs](const Backward& b) -> Gradients {
        if (runs != nullptr) ++*runs;
        const Tensor g = undefined_as_zeros(b.grad_of(0), x),
                     h = undefined_as_zeros(b.grad_of(1), x);
        return {g * b.output(1) - h * b.output(0)};
      },
      {.keep_output = true});
}

TEST(SeveralOutputs, TheGradientIsThatOfAllOfThem) {
  Rng rng(1);
  const Tensor x = rng.normal({3, 2}, 0, 1, Dtype::f64);
  const auto both = [](const Tensors& in) {
    const Tensors y = sin_and_cos(in[0]);
    return y[0] * y[1] + y[1];
  };
  EXPECT_TRUE(GradientsMatch(both, {x}));
  EXPECT_TRUE(GradientsMatch([](const Tensors& in) { return sin_and_cos(in[0])[0]; }, {x}));
  EXPECT_TRUE(GradientsMatch([](const Tensors& in) { return sin_and_cos(in[0])[1]; }, {x}));
  EXPECT_TRUE(GradientsMatch(
      [&](const Tensors& in) {
        return recompute([&](const Tensors& i) { return both(i); }, {in[0]});
      },
      {x}));
}

TEST(SeveralOutputs, TheRuleRunsOnceWhenAllThatUsedThemHasHadItsTurn) {
  int runs = 0;
  Tensor x = leaf({0.5, 1});
  const Tensors y = sin_and_cos(x, &runs);
  const Tensor late = exp(exp(y[1]));  // younger than what uses the other
  sum(y[0] * 2.0 + late).backward();
  EXPECT_EQ(runs, 1);
}

TEST(SeveralOutputs, GradReachesEachByItself) {
  Tensor x = leaf({0.5, 1});
  const Tensors y = sin_and_cos(x);
  const Tensor z = sum(y[0] * 3.0 + y[1] * y[1]);
  const Tensors found = grad({z}, {y[1], x, y[0]}, {.retain_graph = true});
  EXPECT_TRUE(tests::close(found[0], y[1].detach() * 2.0, 1e-12));
  EXPECT_EQ(found[2].str(), "f64[2] {3, 3}");
  EXPECT_TRUE(tests::close(found[1], (cos(x) * 3.0 - sin(x) * cos(x) * 2.0).detach(), 1e-12));
  EXPECT_EQ(grad({z}, {y[0]}, {.retain_graph = true})[0].str(), "f64[2] {3, 3}");
  // From both outputs at once.
  EXPECT_TRUE(tests::close(
      grad({y[0], y[1]}, {x},
           {.cotangents = {tensor({1, 1}, Dtype::f64), tensor({2, 2}, Dtype::f64)}})[0],
      (cos(x) - sin(x) * 2.0).detach(), 1e-12));
}

TEST(SeveralOutputs, WhatRecomputeCapturedEndsItsWalk) {
  Tensor x = leaf({0.5, 1});
  const auto loss = [&](bool again) {
    const Tensors y = sin_and_cos(x);
    const auto f = [y](const Tensors& in) { return in[0] * y[0] + y[1]; };
    return sum(again ? recompute(f, {y[1]}) : f({y[1]}));
  };
  EXPECT_TRUE(tests::close(grad({loss(true)}, {x})[0], grad({loss(false)}, {x})[0], 1e-12));
}

TEST(SeveralOutputs, AnOutputThatIsNoFloatIsAConstant) {
  Tensor x = leaf({3, 1, 2});
  const Tensors y = record(
      "first_and_place", {x},
      [&]() -> Tensors {
        return {x * 2.0, argmax(x, 0)};
      },
      [](const Backward& b) -> Gradients {
        EXPECT_FALSE(b.grad_of(1).defined());
        EXPECT_EQ(b.output(1).item(), 0);
        EXPECT_EQ(error_of([&] { b.grad_of(2); }),
                  "first_and_place: its gradient rule asks for the gradient of output 2; it has 2");
        return {b.grad * 2.0};
      },
      {.keep_output = true});
  EXPECT_FALSE(y[1].requires_grad());
  sum(y[0]).backward();
  EXPECT_EQ(x.grad().str(), "f64[3] {2, 2, 2}");
  const NoGrad no_grad;
  EXPECT_FALSE(sin_and_cos(x)[0].requires_grad());
}

TEST(SeveralOutputs, NoneThatCarriesAGradientIsAnError) {
  const Tensor x = leaf({3, 1, 2});
  EXPECT_EQ(
      error_of([&] {
        record(
            "places", {x},
            [&]() -> Tensors {
              return {argmax(x, 0), argmax(x, 0)};
            },
            [](const Backward&) -> Gradients { return {Tensor()}; });
      }),
      "places: wanted a result of f32 or f64, to carry a gradient; got 2 results, none of them "
      "such");
}

TEST(SeveralOutputs, OneThatWasOverwrittenIsAnError) {
  Tensor x = leaf({0.5, 1});
  const Tensors y = sin_and_cos(x);
  Tensor seen = y[0].detach();
  seen.copy_from(tensor({1, 1}, Dtype::f64));
  EXPECT_EQ(error_of([&] { sum(y[1]).backward(); }),
            "sin_and_cos: backward needs its output, which was overwritten since (mutable_data, "
            "copy_from, an optimizer's step)");
}

// ---- ops of rapt's own -------------------------------------------------------------------------

TEST(MaxWithIndices, ItsGradientGoesToOneElement) {
  Tensor x = leaf({{1, 3, 3}, {2, 2, 0}});
  const ValuesAndIndices found = max_with_indices(x, -1);
  EXPECT_EQ(found.values.str(), "f64[2] {3, 2}");
  EXPECT_EQ(found.indices.str(), "i64[2] {1, 0}");
  EXPECT_FALSE(found.indices.requires_grad());
  sum(found.values).backward();
  EXPECT_EQ(x.grad().str(), "f64[2, 3] {{0, 1, 0}, {1, 0, 0}}");
  EXPECT_EQ(max_with_indices(x, 0, {.keepdim = true}).values.shape(), (Shape{1, 3}));
  EXPECT_EQ(max_with_indices(arange(4), 0).values.str(), "i64[] 3");
}

TEST(MaxWithIndices, BadArgumentsAreNamed) {
  EXPECT_EQ(error_of([] {
              max_with_indices(zeros({2, 0}), 1);
            }),
            "max_with_indices: wanted at least one element along axis 1; got shape [2, 0]");
  EXPECT_EQ(error_of([] { max_with_indices(zeros({2}), 1); }),
            "max_with_indices: wanted an axis in [-1, 1); got 1");
}

TEST(LinearEach, OneWithoutGradientIsLeftOut) {
  Rng rng(1);
  const Tensor x = rng.normal({2, 3}).set_requires_grad();
  const Tensors w = {rng.normal({4, 3}).set_requires_grad(),
                     rng.normal({5, 3}).set_requires_grad()};
  sum(linear_each(x, w)[1]).backward();
  EXPECT_FALSE(w[0].grad().defined());
  EXPECT_TRUE(tests::same_bits(x.grad(), grad({sum(linear(x, w[1]))}, {x})[0]));
}

}  // namespace
}  // namespace rapt
