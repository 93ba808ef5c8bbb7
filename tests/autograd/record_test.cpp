// The doors through which functions join the graph: record(), and the private fused().

#include "rapt/autograd/record.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "../support/tensors.h"
#include "rapt/autograd/gradient_check_gtest.h"
#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/reuse.h"
#include "rapt/autograd/ops/detail/sum_to.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;
using tests::leaf;

/// y = f(x) with any rule.
template <class F>
Tensor with_rule(const Tensor& x, const Tensor& y, F rule, RecordOptions options = {}) {
  return record(
      "custom", {x}, [&] { return y; }, rule, options);
}

// ---- custom functions --------------------------------------------------------------------------

// The example of record.h.
Tensor cube(const Tensor& x) {
  return record(
      "cube", {x}, [&] { return x * x * x; },
      [x](const Backward& b) -> Gradients { return {b.grad * 3.0 * x * x}; });
}

TEST(Record, ACustomFunctionIsDifferentiableToAnyOrder) {
  Rng rng(1);
  EXPECT_TRUE(GradientsMatch([](const Tensors& in) { return cube(in[0]); },
                             {rng.normal({3, 2}, 0, 1, Dtype::f64)}));
  Tensor x = leaf({2});
  Tensor y = cube(x);
  for (int order = 0; order < 3; ++order) y = grad({y}, {x}, {.create_graph = true})[0];
  EXPECT_EQ(y.item(), 6);
}

TEST(Record, TheRuleIsTheGradientEvenIfItIsAnother) {
  Tensor x = leaf({1, 2});  // a straight-through estimator
  const Tensor y = with_rule(x, x.to(Dtype::i64).to(Dtype::f64),
                             [](const Backward& b) -> Gradients { return {b.grad}; });
  sum(y * 3.0).backward();
  EXPECT_EQ(x.grad().str(), "f64[2] {3, 3}");
}

// ---- adding to what has arrived ----------------------------------------------------------------

/// What accumulate_into offers for an input, when its rule runs: `seen` counts the offers. The rule
/// doubles the gradient, in place where it may.
Tensor twice(const Tensor& x, int& seen) {
  return with_rule(x, x.detach() * 2.0, [&seen](const Backward& b) -> Gradients {
    const Tensor into = accumulate_into(b, 0);
    if (!into.defined()) return {b.grad * 2.0};
    ++seen;
    const NoGrad inside;
    double* at = Tensor(into).mutable_data<double>();
    for (int64_t i = 0; i < into.numel(); ++i) at[i] += 2 * b.grad.contiguous().data<double>()[i];
    return {into};
  });
}

TEST(Into, IsWhatHasArrivedSoFar) {
  int seen = 0;
  Tensor x = leaf({1, 2});
  const Tensor y = twice(x, seen);  // the older one: the other gradient is there before it
  sum(y + x * 3.0).backward();
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(x.grad().str(), "f64[2] {5, 5}");
  sum(twice(x, seen)).backward();  // a leaf's gradient from earlier walks, too
  EXPECT_EQ(seen, 2);
  EXPECT_EQ(x.grad().str(), "f64[2] {7, 7}");
  x.clear_grad();
  sum(twice(x, seen)).backward();  // nothing yet
  EXPECT_EQ(seen, 2);
  EXPECT_EQ(x.grad().str(), "f64[2] {2, 2}");
}

TEST(Into, IsWhereTheGradientIsGathered) {
  int seen = 0;
  Tensor x = leaf({1, 2});
  const Tensor h = x * 1.0, older = twice(h, seen);
  const Tensor y = sum(older + h * 3.0);
  EXPECT_EQ(grad({y}, {x}, {.retain_graph = true})[0].str(), "f64[2] {5, 5}");
  EXPECT_EQ(grad({y}, {h}, {.retain_graph = true})[0].str(), "f64[2] {5, 5}");
  EXPECT_EQ(seen, 2);
  EXPECT_EQ(grad({y}, {h}, {.create_graph = true})[0].str(), "f64[2] {5, 5}");
  EXPECT_EQ(seen, 2);  // a graph of the gradient needs the values that were
}

TEST(Into, IsACopyOfWhatSomebodyElseSees) {
  int seen = 0;
  Tensor x = leaf({1, 2});
  sum(x).backward();
  const Tensor held = x.grad();
  sum(twice(x, seen)).backward();
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(held.str(), "f64[2] {1, 1}");
  EXPECT_EQ(x.grad().str(), "f64[2] {3, 3}");
}

TEST(Into, IsOfferedOnceForAnInputThatIsThereTwice) {
  int offers = 0;
  Tensor x = leaf({1, 2});
  const auto rule = [&](const Backward& b) -> Gradients {
    const Tensor first = accumulate_into(b, 0), second = accumulate_into(b, 1);
    offers += first.defined() + second.defined();
    add_elements(first, b.grad);
    return {first, b.grad};
  };
  const Tensor y = record(
      "custom", {x, x}, [&] { return x * 2.0; }, rule);
  sum(y + x * 3.0).backward();
  EXPECT_EQ(offers, 1);
  EXPECT_EQ(x.grad().str(), "f64[2] {5, 5}");
}

// What would count twice is an error.
TEST(Into, IsReturnedOrNotTaken) {
  Tensor x = leaf({1, 2});
  sum(x).backward();
  const Tensor y = with_rule(x, x.detach().clone(), [](const Backward& b) -> Gradients {
    accumulate_into(b, 0);
    return {b.grad};
  });
  EXPECT_EQ(error_of([&] { sum(y).backward(); }),
            "custom: wanted from its rule the tensor that it was given to add to; got another");
}

// Parts of a tensor are gathered in one: no part costs a pass over the whole.
TEST(Into, PartsAndRowsOfATableAreAddedInPlace) {
  Rng rng(1);
  Tensor x = rng.normal({6, 4}, 0, 1, Dtype::f64).set_requires_grad();
  sum(x * x).backward();
  const void* const elements = x.grad().data<double>();
  Tensor wanted = x.detach() * 2.0;
  for (int64_t i = 0; i < 6; ++i) sum(select(x, 0, i) * static_cast<double>(i)).backward();
  wanted = wanted + unsqueeze(arange(6).to(Dtype::f64), 1);
  sum(slice(x, 1, 1, 4, 2)).backward();
  wanted = wanted + tensor({0, 1, 0, 1}, Dtype::f64);
  sum(diagonal(x)).backward();
  sum(embedding(x, from_values<int64_t>({5, 0, 5}, {3}))).backward();
  wanted = wanted + concat({one_hot(arange(4), 4, Dtype::f64), zeros({2, 4}, Dtype::f64)}) +
           unsqueeze(tensor({1, 0, 0, 0, 0, 2}, Dtype::f64), 1);
  EXPECT_TRUE(close(x.grad(), wanted, 1e-14));
  EXPECT_EQ(x.grad().data<double>(), elements);
}

// The value is computed without a graph, and where the function is left, recording goes on.
TEST(Record, ComputesTheValueInside) {
  Tensor x = leaf({2});
  const auto rule = [](const Backward& b) -> Gradients { return {b.grad * 5.0}; };
  bool enabled = true;
  const Tensor y = record(
      "custom", {x},
      [&] {
        enabled = grad_enabled();
        return x * 3.0;
      },
      rule);
  EXPECT_FALSE(enabled);
  EXPECT_TRUE(grad_enabled());
  y.backward();
  EXPECT_EQ(x.grad().item(), 5);
  EXPECT_THROW(
      record(
          "custom", {x}, []() -> Tensor { throw std::runtime_error("out of luck"); }, rule),
      std::runtime_error);
  EXPECT_TRUE(grad_enabled());
}

TEST(Record, SeveralInputsAndAConstantAmongThem) {
  Tensor a = leaf({2}), b = leaf({3});
  const Tensor c = tensor({4}, Dtype::f64);
  const Tensor y = record(
      "product", {a, b, c}, [&] { return a * b * c; },
      [a, b, c](const Backward& g) -> Gradients {
        return {g.grad * b * c, g.grad * a * c, Tensor()};
      });
  y.backward();
  EXPECT_EQ(a.grad().item(), 12);
  EXPECT_EQ(b.grad().item(), 8);
}

TEST(Record, AnUndefinedGradientStandsForZero) {
  Tensor x = leaf({1, 2});
  with_rule(x, x.detach().clone(), [](const Backward&) -> Gradients {
    return {Tensor()};
  }).backward(ones({2}, Dtype::f64));
  EXPECT_FALSE(x.grad().defined());
  const Tensor y =
      with_rule(x, x.detach().clone(), [](const Backward&) -> Gradients { return {Tensor()}; });
  EXPECT_EQ(grad({sum(y)}, {x}, {.allow_unused = true})[0].str(), "f64[2] {0, 0}");
}

TEST(Record, AFunctionMayReturnItsOwnInput) {
  Tensor x = leaf({1, 2});
  const Tensor y = with_rule(x, x, [](const Backward& b) -> Gradients { return {b.grad * 10.0}; });
  EXPECT_TRUE(x.is_leaf());  // x itself is what it was
  EXPECT_FALSE(y.is_leaf());
  sum(y).backward();
  EXPECT_EQ(x.grad().str(), "f64[2] {10, 10}");

  const Tensor h = x * 2.0;
  const Tensor z = with_rule(h, h, [](const Backward& b) -> Gradients { return {b.grad * 10.0}; });
  EXPECT_EQ(grad({sum(z)}, {x}, {.retain_graph = true})[0].str(), "f64[2] {20, 20}");
  EXPECT_EQ(grad({sum(h)}, {x})[0].str(), "f64[2] {2, 2}");
}

TEST(Record, TheOutputIsHandedToTheRuleWhenAskedFor) {
  Tensor x = leaf({0.5});
  const auto rule = [](const Backward& b) -> Gradients { return {b.grad * b.output()}; };
  const Tensor y = with_rule(x, exp(x.detach()), rule, {.keep_output = true});
  EXPECT_TRUE(close(grad({y}, {x}, {.retain_graph = true})[0], y.detach(), 1e-15));
  // And it is part of the graph: exp's derivatives are all exp.
  Tensor d = y;
  for (int i = 0; i < 3; ++i) d = grad({d}, {x}, {.create_graph = true})[0];
  EXPECT_TRUE(close(d.detach(), y.detach(), 1e-15));

  EXPECT_EQ(error_of([&] { with_rule(x, exp(x), rule).backward(); }),
            "custom: its gradient rule reads the output, which was not kept; give record "
            "{.keep_output = true}");
}

TEST(Record, CreateGraphIsToldToTheRule) {
  Tensor x = leaf({1});
  bool told = false;
  const auto spy = [&told](const Backward& b) -> Gradients {
    told = b.create_graph;
    EXPECT_EQ(grad_enabled(), b.create_graph);
    return {b.grad};
  };
  grad({with_rule(x, x.detach().clone(), spy)}, {x});
  EXPECT_FALSE(told);
  grad({with_rule(x, x.detach().clone(), spy)}, {x}, {.create_graph = true});
  EXPECT_TRUE(told);
}

TEST(Record, BroadcastGradientsAreSummedWhenAskedFor) {
  Tensor row = leaf({1, 2, 3});
  const Tensor y =
      with_rule(row, expand(row.detach(), {4, 2, 3}).clone(),
                [](const Backward& b) -> Gradients { return {b.grad}; }, {.broadcasts = true});
  sum(y).backward();
  EXPECT_EQ(row.grad().str(), "f64[3] {8, 8, 8}");
}

// ---- no graph where none is wanted -------------------------------------------------------------

TEST(Record, GivesTheValueItselfWhereNoGraphIsWanted) {
  const Tensor constant = tensor({1});
  const Tensor value = tensor({5});
  const auto rule = [](const Backward& b) -> Gradients { return {b.grad}; };
  EXPECT_TRUE(record(
                  "custom", {constant}, [&] { return value; }, rule)
                  .same_as(value));
  Tensor x = tensor({1}).set_requires_grad();
  const NoGrad scope;
  EXPECT_TRUE(record(
                  "custom", {x}, [&] { return value; }, rule)
                  .same_as(value));
}

// No gradient is lost in silence.
TEST(Record, AResultThatCannotCarryAGradientThrows) {
  Tensor x = leaf({1.5});
  const auto rule = [](const Backward& b) -> Gradients { return {b.grad}; };
  EXPECT_EQ(error_of([&] { with_rule(x, tensor({1}, Dtype::i64), rule); }),
            "custom: wanted a result of f32 or f64, to carry a gradient; got i64");
  EXPECT_EQ(error_of([&] { with_rule(x, Tensor(), rule); }),
            "custom: wanted a result of f32 or f64, to carry a gradient; got undefined");
}

// ---- rules that are wrong ----------------------------------------------------------------------

TEST(Record, AWrongGradientIsNamed) {
  Tensor x = leaf({1, 2});
  const auto backward = [&](auto rule) {
    return error_of(
        [&] { with_rule(x, x.detach().clone(), rule).backward(ones({2}, Dtype::f64)); });
  };
  EXPECT_EQ(backward([](const Backward&) -> Gradients { return {ones({3}, Dtype::f64)}; }),
            "custom: wanted a gradient f64[2] for input 0; its rule gave f64[3]");
  EXPECT_EQ(backward([](const Backward&) -> Gradients {
              return {ones({1, 2}, Dtype::f64)};
            }),
            "custom: wanted a gradient f64[2] for input 0; its rule gave f64[1, 2]");
  EXPECT_EQ(backward([](const Backward&) -> Gradients { return {ones({2}, Dtype::f32)}; }),
            "custom: wanted a gradient f64[2] for input 0; its rule gave f32[2]");
  EXPECT_EQ(backward([](const Backward&) -> Gradients { return {}; }),
            "custom: wanted 1 gradients from its rule; got 0");
  EXPECT_EQ(backward([](const Backward& b) -> Gradients {
              return {b.grad, b.grad};
            }),
            "custom: wanted 1 gradients from its rule; got 2");
  EXPECT_FALSE(x.grad().defined());
}

TEST(Record, ARuleThatThrowsLeavesTheEngineUsable) {
  Tensor x = leaf({1, 2}), w = leaf({3, 4});
  bool broken = true;
  const Tensor older = x * 5.0;  // waits with its gradient when the rule of the younger one throws
  const Tensor younger = with_rule(x * w, (x * w).detach(), [&broken](const Backward& b) {
    if (broken) throw std::runtime_error("out of luck");
    return Gradients{b.grad};
  });
  const Tensor y = sum(younger * younger + older);
  EXPECT_THROW(y.backward({.retain_graph = true}), std::runtime_error);
  EXPECT_TRUE(grad_enabled());
  // Once mended, the same graph gives what it should: nothing was left over from the first walk.
  x.clear_grad();
  w.clear_grad();
  broken = false;
  y.backward();
  EXPECT_EQ(x.grad().str(), "f64[2] {23, 69}");  // 2 x w^2 + 5
  EXPECT_EQ(w.grad().str(), "f64[2] {6, 32}");   // 2 x^2 w
}

TEST(Record, InsideARuleNothingIsRecordedAndThatIsNoSilence) {
  Tensor x = leaf({2});
  // d/dx x^3, by a walk inside the rule.
  const Tensor y = with_rule(x, (x * x * x).detach(), [x](const Backward& b) -> Gradients {
    Tensor own = x.detach().set_requires_grad();
    return {b.grad * grad({own * own * own}, {own})[0]};
  });
  // Without create_graph nothing is recorded inside a rule: its own walk finds no graph, and says
  // so.
  EXPECT_EQ(error_of([&] { y.backward(); }),
            "grad: wanted a tensor that requires a gradient; got a constant of shape [1]");
}

// ---- fused -------------------------------------------------------------------------------------

/// x^2, whose kernel counts its calls.
Tensor square(const Tensor& x, int& kernel_calls, int& definition_calls) {
  return fused(
      "square", {x},
      [&definition_calls](const Tensors& in) {
        ++definition_calls;
        return in[0] * in[0];
      },
      (x * x).detach(),
      [x, &kernel_calls](const Backward& b) -> Gradients {
        ++kernel_calls;
        return {b.grad * x.detach() * 2.0};
      });
}

TEST(Fused, RunsTheKernelForValuesAndTheDefinitionForGraphs) {
  Tensor x = leaf({3});
  int kernel = 0, definition = 0;
  square(x, kernel, definition).backward();
  EXPECT_EQ(x.grad().item(), 6);
  EXPECT_EQ(kernel, 1);
  EXPECT_EQ(definition, 0);
  const Tensor g = grad({square(x, kernel, definition)}, {x}, {.create_graph = true})[0];
  EXPECT_EQ(kernel, 1);
  EXPECT_EQ(definition, 1);
  EXPECT_EQ(grad({g * x}, {x})[0].item(), 4 * 3);  // (2 x^2)'
}

TEST(Fused, TheSameTensorTwiceAmongTheInputs) {
  Tensor x = leaf({3});
  const auto product = [&] {
    return fused(
        "product", {x, x}, [](const Tensors& in) { return in[0] * in[1]; }, (x * x).detach(),
        [x](const Backward& b) -> Gradients {
          return {b.grad * x.detach(), b.grad * x.detach()};
        });
  };
  EXPECT_EQ(grad({product()}, {x})[0].item(), 6);
  const Tensor g = grad({product()}, {x}, {.create_graph = true})[0];
  EXPECT_EQ(g.item(), 6);
  EXPECT_EQ(grad({g}, {x})[0].item(), 2);
}

TEST(Fused, AnInputThatIsTheResultOfAnother) {
  Tensor x = leaf({3});
  int kernel = 0, definition = 0;
  const Tensor y = square(square(x, kernel, definition), kernel, definition);  // x^4
  Tensor d = y;
  for (const double wanted : {108.0, 108.0, 72.0, 24.0}) {
    d = grad({d}, {x}, {.create_graph = true})[0];
    EXPECT_EQ(d.item(), wanted);
  }
}

}  // namespace
}  // namespace rapt
