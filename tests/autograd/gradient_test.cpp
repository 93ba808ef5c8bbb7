// The engine: backward() and grad().

#include "rapt/autograd/gradient.h"

#include <gtest/gtest.h>

#include <thread>

#include "../support/tensors.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;
using tests::leaf;
using tests::same_bits;

// ---- backward ----------------------------------------------------------------------------------

TEST(Backward, AddsUpInLeaves) {
  Tensor x = leaf({1, 2});
  sum(x * x).backward();
  EXPECT_EQ(x.grad().str(), "f64[2] {2, 4}");
  sum(x * 3.0).backward();
  EXPECT_EQ(x.grad().str(), "f64[2] {5, 7}");
}

TEST(Backward, SumsOverAllUsesOfATensor) {
  Tensor x = leaf({3});
  const Tensor y = x * x;          // 2 x
  const Tensor z = y * x + y + x;  // x^3 + x^2 + x
  sum(z).backward();
  EXPECT_EQ(x.grad().item(), 27 + 6 + 1);
}

TEST(Backward, TakesACotangent) {
  Tensor x = leaf({1, 2});
  (x * x).backward(tensor({10, 100}, Dtype::f64));
  EXPECT_EQ(x.grad().str(), "f64[2] {20, 400}");
}

TEST(Backward, OfALeafItself) {
  Tensor x = leaf({2});
  x.backward();
  EXPECT_EQ(x.grad().str(), "f64[1] {1}");
}

TEST(Backward, LeavesOthersAlone) {
  Tensor x = leaf({1}), unused = leaf({1});
  const Tensor constant = tensor({5}, Dtype::f64);
  sum(x * constant).backward();
  EXPECT_EQ(x.grad().item(), 5);
  EXPECT_FALSE(unused.grad().defined());
  EXPECT_FALSE(constant.grad().defined());
}

TEST(Backward, GradientsKnowNoGraph) {
  Tensor x = leaf({1, 2});
  sum(x * x * x).backward();
  EXPECT_FALSE(x.grad().requires_grad());
}

TEST(Backward, FreesTheGraphUnlessTold) {
  Tensor x = leaf({2});
  const Tensor y = sum(x * x);
  y.backward({.retain_graph = true});
  y.backward();
  EXPECT_EQ(x.grad().item(), 8);
  EXPECT_EQ(error_of([&] { y.backward(); }),
            "backward: the graph behind sum was freed by an earlier walk; give that one "
            ".retain_graph = true");
  EXPECT_EQ(x.grad().item(), 8);
}

TEST(Backward, OfAnotherOutputOverAFreedPartThrows) {
  Tensor x = leaf({2});
  const Tensor shared = exp(x);
  sum(shared * 2.0).backward();
  EXPECT_EQ(error_of([&] { sum(shared * 3.0).backward(); }),
            "backward: the graph behind exp was freed by an earlier walk; give that one "
            ".retain_graph = true");
}

TEST(Backward, NeedsATensorThatHasAGraph) {
  EXPECT_EQ(error_of([] { tensor(1).backward(); }),
            "backward: wanted a tensor that requires a gradient; got a constant of shape []");
  EXPECT_EQ(error_of([] { Tensor().backward(); }),
            "backward: wanted a tensor; got an undefined one");
}

TEST(Backward, NeedsACotangentForMoreThanOneElement) {
  Tensor x = leaf({1, 2});
  EXPECT_EQ(error_of([&] { (x * x).backward(); }),
            "backward: wanted a cotangent for an output of shape [2]; only a single element has 1 "
            "by default");
  EXPECT_EQ(error_of([&] { (x * x).backward(ones({3}, Dtype::f64)); }),
            "backward: wanted a cotangent f64[2]; got f64[3]");
  EXPECT_EQ(error_of([&] { (x * x).backward(ones({2})); }),
            "backward: wanted a cotangent f64[2]; got f32[2]");
  EXPECT_FALSE(x.grad().defined());
}

// ---- gradients have elements of their own ------------------------------------------------------

// A residual's gradient is passed on without a copy; what arrives at leaves must not be shared.
TEST(Backward, LeavesNeverShareAGradient) {
  Tensor a = leaf({1, 2}), b = leaf({3, 4}), c = leaf({5, 6});
  const Tensor cotangent = ones({2}, Dtype::f64);
  (a + b + c).backward(cotangent);
  Tensor ga = a.grad();
  ga.mutable_data<double>()[0] = 100;  // as clipping would
  EXPECT_EQ(a.grad().str(), "f64[2] {100, 1}");
  EXPECT_EQ(b.grad().str(), "f64[2] {1, 1}");
  EXPECT_EQ(c.grad().str(), "f64[2] {1, 1}");
  EXPECT_EQ(cotangent.str(), "f64[2] {1, 1}");
}

TEST(Backward, TheSameThroughViews) {
  Tensor a = leaf({1, 2}), b = leaf({3, 4});
  const Tensor y = reshape(a, {1, 2}) + reshape(b, {1, 2});
  y.backward(ones({1, 2}, Dtype::f64));
  Tensor ga = a.grad();
  ga.mutable_data<double>()[1] = -1;
  EXPECT_EQ(b.grad().str(), "f64[2] {1, 1}");
  EXPECT_TRUE(a.grad().is_contiguous());
}

TEST(Backward, AddingUpNeverChangesWhatAUserHolds) {
  Tensor x = leaf({1, 2});
  const Tensor cotangent = ones({2}, Dtype::f64);
  (x + x).backward(cotangent);  // two deliveries of one tensor
  EXPECT_EQ(x.grad().str(), "f64[2] {2, 2}");
  EXPECT_EQ(cotangent.str(), "f64[2] {1, 1}");

  const Tensor held = x.grad();
  (x * 3.0).backward(cotangent);
  EXPECT_EQ(x.grad().str(), "f64[2] {5, 5}");
  EXPECT_EQ(held.str(), "f64[2] {2, 2}");
  EXPECT_EQ(cotangent.str(), "f64[2] {1, 1}");
}

TEST(Backward, AGradientThatTheUserSetIsNotChangedBehindTheirBack) {
  Tensor x = leaf({1, 2});
  const Tensor mine = tensor({10, 20}, Dtype::f64);
  x.set_grad(mine);
  sum(x).backward();
  EXPECT_EQ(x.grad().str(), "f64[2] {11, 21}");
  EXPECT_EQ(mine.str(), "f64[2] {10, 20}");
}

TEST(Backward, AGradientKeptByARuleIsNotChanged) {
  Tensor x = leaf({1, 2});
  Tensor seen;  // a user's rule may keep the gradient that it was given
  const Tensor y = record(
      "spy", {x}, [&] { return x.clone(); },
      [&seen](const Backward& b) -> Gradients {
        seen = b.grad;
        return {b.grad};
      });
  const Tensor z = x * 5.0;  // older than nothing of y's: x gets both
  (y + z).backward(ones({2}, Dtype::f64));
  EXPECT_EQ(x.grad().str(), "f64[2] {6, 6}");
  EXPECT_EQ(seen.str(), "f64[2] {1, 1}");
}

TEST(Backward, DiamondsOfResidualsAddUpRight) {
  Tensor x = leaf({1, -2, 0.5});
  Tensor h = x;
  for (int i = 0; i < 10; ++i) h = h + sin(h);
  sum(h).backward();
  // By the chain rule: the product of 1 + cos(h_i).
  Tensor v = x.detach(), slope = ones({3}, Dtype::f64);
  for (int i = 0; i < 10; ++i) {
    slope = slope * (1.0 + cos(v));
    v = v + sin(v);
  }
  EXPECT_TRUE(close(x.grad(), slope, 1e-12));
}

// ---- NoGrad ------------------------------------------------------------------------------------

TEST(NoGrad, RecordsNothingAndNests) {
  Tensor x = leaf({1});
  {
    const NoGrad outer;
    EXPECT_FALSE(grad_enabled());
    {
      const NoGrad inner;
      EXPECT_FALSE((x * x).requires_grad());
    }
    EXPECT_FALSE(grad_enabled());
    EXPECT_FALSE((x * x).requires_grad());
  }
  EXPECT_TRUE(grad_enabled());
  EXPECT_TRUE((x * x).requires_grad());
}

TEST(NoGrad, BelongsToItsThread) {
  const NoGrad here;
  bool there = false;
  std::thread([&] { there = grad_enabled(); }).join();
  EXPECT_TRUE(there);
}

TEST(NoGrad, EndsWithAnException) {
  EXPECT_EQ(error_of([] {
              const NoGrad scope;
              fail("stop");
            }),
            "stop");
  EXPECT_TRUE(grad_enabled());
}

TEST(NoGrad, BackwardInsideStillWalks) {
  Tensor x = leaf({3});
  const Tensor y = sum(x * x);
  const NoGrad scope;
  y.backward();
  EXPECT_EQ(x.grad().item(), 6);
}

// ---- grad --------------------------------------------------------------------------------------

TEST(Grad, LeavesGradAlone) {
  Tensor x = leaf({2});
  const Tensors g = grad({x * x * x}, {x});
  EXPECT_EQ(g[0].item(), 12);
  EXPECT_FALSE(x.grad().defined());
  EXPECT_FALSE(g[0].requires_grad());
}

TEST(Grad, OfTensorsThatAreNoLeaves) {
  Tensor x = leaf({2});
  const Tensor h = x * x;
  const Tensor y = h * h * x;  // x^5
  const Tensors g = grad({y}, {h, x, y});
  EXPECT_EQ(g[0].item(), 2 * 4 * 2);  // 2 h x, x held fixed
  EXPECT_EQ(g[1].item(), 5 * 16);     // through h as well
  EXPECT_EQ(g[2].item(), 1);
}

TEST(Grad, OfAnInputUpstreamOfAnother) {
  Tensor x = leaf({3});
  const Tensor a = x * 2.0, b = exp(a), c = b * 4.0;
  const Tensors g = grad({c}, {a, b});
  EXPECT_TRUE(close(g[0], b.detach() * 4.0, 1e-14));
  EXPECT_EQ(g[1].item(), 4);
}

TEST(Grad, DuplicatesAmongInputsAndOutputs) {
  Tensor x = leaf({3});
  const Tensor y = x * x;
  const Tensors g = grad({y, y}, {x, x});
  ASSERT_EQ(g.size(), 2u);
  EXPECT_EQ(g[0].item(), 12);
  EXPECT_EQ(g[1].item(), 12);
  const Tensor view = y;
  EXPECT_EQ(grad({view}, {y}, {.retain_graph = true})[0].item(), 1);
}

TEST(Grad, SumsOverOutputsWithTheirCotangents) {
  Tensor x = leaf({1, 2});
  const Tensor y = x * x, z = x * 10.0;
  const Tensors g =
      grad({y, z}, {x}, {.cotangents = {tensor({1, 1}, Dtype::f64), tensor({0, 2}, Dtype::f64)}});
  EXPECT_EQ(g[0].str(), "f64[2] {2, 24}");
}

TEST(Grad, ANonDifferentiatedLeafGetsNothing) {
  Tensor x = leaf({1}), w = leaf({2});
  EXPECT_EQ(grad({x * w}, {x})[0].item(), 2);
  EXPECT_FALSE(w.grad().defined());
}

TEST(Grad, AnUnusedInputIsAnErrorOrZeros) {
  Tensor x = leaf({1}), other = leaf({1, 2, 3});
  const Tensor y = x * x;
  EXPECT_EQ(error_of([&] {
              grad({y}, {x, other}, {.retain_graph = true});
            }),
            "grad: no output depends on input 1 of shape [3]; .allow_unused = true gives zeros "
            "instead");
  const Tensors g = grad({y}, {x, other}, {.allow_unused = true});
  EXPECT_EQ(g[1].str(), "f64[3] {0, 0, 0}");
}

TEST(Grad, AConstantAmongInputsOrOutputsIsAnError) {
  Tensor x = leaf({1});
  const Tensor constant = tensor({1}, Dtype::f64);
  EXPECT_EQ(error_of([&] { grad({x * x}, {constant}); }),
            "grad: wanted inputs that require a gradient; got a constant of shape [1]");
  EXPECT_EQ(error_of([&] { grad({constant}, {x}); }),
            "grad: wanted a tensor that requires a gradient; got a constant of shape [1]");
  EXPECT_EQ(error_of([&] { grad({Tensor()}, {x}); }),
            "grad: wanted outputs that are defined; got an undefined tensor");
  EXPECT_EQ(error_of([&] { grad({x * x}, {Tensor()}); }),
            "grad: wanted inputs that are defined; got an undefined tensor");
}

TEST(Grad, CotangentsAreChecked) {
  Tensor x = leaf({1, 2});
  const Tensor y = x * x;
  EXPECT_EQ(error_of([&] {
              grad({y}, {x}, {.cotangents = {y, y}});
            }),
            "grad: wanted one cotangent for each of 1 outputs; got 2");
  EXPECT_EQ(error_of([&] { grad({y}, {x}, {.cotangents = {ones({2})}}); }),
            "grad: wanted a cotangent f64[2]; got f32[2]");
  EXPECT_EQ(error_of([&] { grad({y}, {x}, {.cotangents = {Tensor()}}); }),
            "grad: wanted cotangents that are defined; got an undefined tensor");
}

// A part of the graph that was freed may have led to the input: the gradient would be incomplete.
TEST(Grad, OverAFreedPartThrowsAndNeverLosesAShare) {
  const std::string freed =
      "backward: the graph behind exp was freed by an earlier walk; give that one .retain_graph = "
      "true";
  Tensor x = leaf({2});
  const Tensor h = exp(x);
  sum(h).backward();
  EXPECT_EQ(error_of([&] { grad({h}, {x}); }), freed);
  EXPECT_EQ(error_of([&] { grad({h}, {x}, {.allow_unused = true}); }), freed);
  EXPECT_EQ(error_of([&] { grad({h * x}, {x}); }), freed);
  EXPECT_EQ(error_of([&] { grad({h * x}, {h, x}); }), freed);
  EXPECT_EQ(grad({h * x}, {h})[0].item(), 2);  // nothing above h is wanted
}

TEST(Grad, OnlyWalksWhereItLeads) {
  Tensor x = leaf({1}), w = leaf({1});
  bool asked = false;
  const Tensor other = record(
      "other", {w}, [&] { return w.clone(); },
      [&asked](const Backward& b) -> Gradients {
        asked = true;
        return {b.grad};
      });
  grad({x * 2.0 + other}, {x});
  EXPECT_FALSE(asked);
}

TEST(Grad, TellsRulesWhichGradientsAreNeeded) {
  Tensor x = leaf({1}), w = leaf({1});
  const Tensor c = tensor({1}, Dtype::f64);
  std::vector<bool> needed;
  const auto product = [&] {
    return record(
        "spy", {x, w, c}, [&] { return x * w * c; },
        [&needed, x, w](const Backward& b) -> Gradients {
          needed = {b.needs(0), b.needs(1), b.needs(2)};
          return {b.grad * w, b.grad * x, Tensor()};
        });
  };
  grad({product()}, {w});
  EXPECT_EQ(needed, (std::vector<bool>{false, true, false}));
  product().backward();
  EXPECT_EQ(needed, (std::vector<bool>{true, true, false}));
}

// ---- threads -----------------------------------------------------------------------------------

TEST(Threads, BackwardOfAGraphThatAnotherThreadMade) {
  Tensor x = leaf({1, 2});
  Tensor y;
  std::thread([&] { y = sum(exp(x) * x); }).join();
  std::thread([&] { y.backward(); }).join();
  y = Tensor();
  EXPECT_TRUE(close(x.grad(), exp(x.detach()) * (x.detach() + 1), 1e-14));
}

TEST(Threads, OneLeafReadByManyGraphsAtOnce) {
  Tensor x = leaf({1, 2, 3});
  Tensors found(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < found.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int repeat = 0; repeat < 50; ++repeat) found[i] = grad({sum(x * x * x)}, {x})[0];
    });
  }
  for (std::thread& t : threads) t.join();
  for (const Tensor& g : found) EXPECT_TRUE(same_bits(g, x.detach() * x.detach() * 3.0));
}

}  // namespace
}  // namespace rapt
