// Hooks: of any tensor, before its gradient goes on; of leaves, after it was added.

#include "rapt/autograd/hooks.h"

#include <gtest/gtest.h>

#include "../support/tensors.h"
#include "rapt/autograd/gradient.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/recompute.h"
#include "rapt/autograd/record.h"

namespace rapt {
namespace {

using tests::error_of;
using tests::leaf;
using Texts = std::vector<std::string>;

/// A hook that notes what it sees.
auto note_in(Texts& seen) {
  return [&seen](const Tensor& g) { seen.push_back(g.str()); };
}

// ---- of any tensor -----------------------------------------------------------------------------

TEST(Hooks, OfATensorSeesItsWholeGradientOnce) {
  Texts seen;
  Tensor x = leaf({1, 2});
  const Tensor y = x * 2.0;
  register_hook(y, note_in(seen));
  sum(y * y + exp(y * 0.0) + y).backward();
  EXPECT_EQ(seen, Texts{"f64[2] {5, 9}"});
  EXPECT_EQ(x.grad().str(), "f64[2] {10, 18}");
}

TEST(Hooks, WhatItReturnsTakesTheGradientsPlace) {
  Tensor x = leaf({1, 2});
  const Tensor y = x * 2.0;
  register_hook(y, [](const Tensor& g) { return g * 10.0; });
  register_hook(y, [](const Tensor& g) { return g + 1.0; });  // in the order of registration
  const Tensor z = sum(y);
  EXPECT_EQ(grad({z}, {y}, {.retain_graph = true})[0].str(), "f64[2] {11, 11}");
  EXPECT_EQ(grad({z}, {x}, {.retain_graph = true})[0].str(), "f64[2] {22, 22}");
  z.backward();
  EXPECT_EQ(x.grad().str(), "f64[2] {22, 22}");
}

TEST(Hooks, OfALeafSeesThisWalksGradientAlone) {
  Texts seen;
  Tensor x = leaf({1, 2});
  register_hook(x, [&seen](const Tensor& g) {
    seen.push_back(g.str());
    return g * 2.0;
  });
  const Tensor z = sum(x * x + x);
  z.backward({.retain_graph = true});
  z.backward();
  EXPECT_EQ(seen, (Texts{"f64[2] {3, 5}", "f64[2] {3, 5}"}));
  EXPECT_EQ(x.grad().str(), "f64[2] {12, 20}");
  EXPECT_EQ(grad({sum(x * x)}, {x, x})[0].str(), "f64[2] {4, 8}");
  EXPECT_EQ(seen.size(), 3u);
}

TEST(Hooks, OfAViewOfALeafSeesTheViewsGradient) {
  Texts seen;
  Tensor w = leaf({1, 2, 3, 4});
  for (int pass = 0; pass < 2; ++pass) {
    const Tensor view = reshape(w, {2, 2});
    register_hook(view, [&seen](const Tensor& g) {
      seen.push_back(g.str());
      return g * 10.0;
    });
    sum(matmul(ones({1, 2}, Dtype::f64), view)).backward();
  }
  EXPECT_EQ(seen, (Texts{"f64[2, 2] {{1, 1}, {1, 1}}", "f64[2, 2] {{1, 1}, {1, 1}}"}));
  EXPECT_EQ(w.grad().str(), "f64[4] {20, 20, 20, 20}");
}

TEST(Hooks, OfTheTensorThatAWalkStartsFrom) {
  Texts seen;
  Tensor x = leaf({1, 2});
  const Tensor y = x * 2.0;
  register_hook(y, note_in(seen));
  y.backward(tensor({3, 4}, Dtype::f64));
  EXPECT_EQ(seen, Texts{"f64[2] {3, 4}"});
  Tensor w = leaf({5});
  register_hook(w, [](const Tensor& g) { return g * 3.0; });
  w.backward();
  EXPECT_EQ(w.grad().item(), 3);
}

TEST(Hooks, AreDifferentiableWithCreateGraph) {
  Tensor x = leaf({3});
  const Tensor y = x * x;
  register_hook(y, [x](const Tensor& g) { return g * x; });  // dx = x * 2x
  const Tensor dx = grad({sum(y)}, {x}, {.create_graph = true})[0];
  EXPECT_EQ(dx.item(), 18);
  EXPECT_EQ(grad({dx}, {x})[0].item(), 12);  // 4x
}

TEST(Hooks, OfOneOfSeveralOutputs) {
  Texts seen;
  Rng rng(1);
  const Tensor x = leaf({{1, 2}});
  const Tensors w = {leaf({{1, 0}}), leaf({{0, 1}})};
  const Tensors y = linear_each(x, w);
  register_hook(y[1], note_in(seen));
  sum(y[0] * 3.0).backward({.retain_graph = true});
  EXPECT_EQ(seen, Texts{});
  sum(y[0] * 3.0 + y[1] * 5.0).backward();
  EXPECT_EQ(seen, Texts{"f64[1, 1] {{5}}"});
}

TEST(Hooks, CanBeRemovedAlsoByThemselves) {
  Texts seen;
  Tensor x = leaf({1});
  Hook hook = register_hook(x, note_in(seen));
  Hook once;
  once = register_hook(x, [&](const Tensor&) {
    seen.push_back("once");
    once.remove();
  });
  sum(x * 2.0).backward();
  hook.remove();
  hook.remove();
  sum(x * 2.0).backward();
  EXPECT_EQ(seen, (Texts{"f64[1] {2}", "once"}));
  EXPECT_EQ(x.grad().item(), 4);
}

TEST(Hooks, OneThatIsRemovedByAnotherInTheSameRunDoesNotRun) {
  int second = 0, after = 0;
  Tensor x = leaf({1});
  Hook later, leaf_hook;
  register_hook(x, [&](const Tensor&) {
    later.remove();
    leaf_hook.remove();
  });
  later = register_hook(x, [&](const Tensor&) { ++second; });
  leaf_hook = register_post_accumulate_grad_hook(x, [&](Tensor&) { ++after; });
  sum(x * 2.0).backward();
  EXPECT_EQ(second, 0);
  EXPECT_EQ(after, 0);
}

// What has arrived so far lies in the graph: another walk over the same ops would mix with it.
TEST(Hooks, MayWalkOtherGraphsButNotTheirOwn) {
  Tensor x = leaf({1}), w = leaf({2});
  const Tensor a = x * 2.0, h = a * 3.0, s = a * 5.0;
  const Tensor loss = sum(h * w + s), other = sum(h), apart = sum(x * x);
  std::string error;
  Hook hook = register_post_accumulate_grad_hook(w, [&](Tensor&) {
    error = error_of([&] { grad({other}, {x}, {.retain_graph = true}); });
    EXPECT_EQ(grad({apart}, {x})[0].item(), 2);
  });
  loss.backward({.retain_graph = true});
  EXPECT_EQ(error,
            "backward: wanted a graph that no other walk goes through; got one whose mul waits for "
            "the rest of its gradient: a hook or a rule may not walk the graph that it is called "
            "from");
  EXPECT_EQ(x.grad().item(), 22);
  hook.remove();
  loss.backward();
  EXPECT_EQ(x.grad().item(), 44);
}

// Nor by a rule that adds to what has arrived (slice, linear, ...), which is the other walk's.
TEST(Hooks, MayNotAddToWhatHasArrivedInTheirOwnGraph) {
  Tensor x = leaf({1, 2}), w = leaf({2});
  const Tensor a = x * 2.0;
  const Tensor first = sum(slice(a, 0, 0, 1) * w), second = sum(a * 5.0);
  const Tensor loss = first + second;
  const Tensor other = sum(slice(a, 0, 0, 1) * 7.0);
  std::string error;
  // By then a has what came through a * 5.
  register_post_accumulate_grad_hook(
      w, [&](Tensor&) { error = error_of([&] { grad({other}, {x}, {.retain_graph = true}); }); });
  loss.backward();
  EXPECT_TRUE(error.starts_with("backward: wanted a graph that no other walk goes through"))
      << error;
  EXPECT_EQ(x.grad().str(), "f64[2] {14, 10}");
}

TEST(Hooks, WrongOnesAreErrors) {
  Tensor x = leaf({1, 2});
  EXPECT_EQ(error_of([] { register_hook(zeros({2}), [](const Tensor& g) { return g; }); }),
            "register_hook: wanted a tensor that requires a gradient; got a constant of shape [2]");
  EXPECT_EQ(error_of([] { register_hook(Tensor(), [](const Tensor& g) { return g; }); }),
            "register_hook: wanted a tensor; got an undefined one");
  EXPECT_EQ(error_of([] { register_post_accumulate_grad_hook(Tensor(), [](Tensor&) {}); }),
            "register_post_accumulate_grad_hook: wanted a tensor; got an undefined one");
  EXPECT_EQ(error_of([&] { register_hook(x, GradientHook()); }),
            "register_hook: wanted a function; got an empty one");
  const Tensor y = x * 2.0;
  Hook hook = register_hook(y, [](const Tensor& g) { return sum(g); });
  EXPECT_EQ(error_of([&] { sum(y).backward({.retain_graph = true}); }),
            "register_hook: wanted from the hook a gradient f64[2]; got f64[]");
  hook.remove();
  sum(y).backward();  // the walk that failed left nothing behind
  EXPECT_EQ(x.grad().str(), "f64[2] {2, 2}");
  EXPECT_EQ(error_of([&] { register_hook(y, [](const Tensor& g) { return g; }); }),
            "register_hook: the graph behind mul was freed by a walk; register the hook before it, "
            "or give it .retain_graph = true");
  EXPECT_EQ(error_of([&] { register_post_accumulate_grad_hook(x * 2.0, [](Tensor&) {}); }),
            "register_post_accumulate_grad_hook: wanted a leaf that requires a gradient; got the "
            "output of mul");
  EXPECT_EQ(error_of([] { register_post_accumulate_grad_hook(zeros({2}), [](Tensor&) {}); }),
            "register_post_accumulate_grad_hook: wanted a leaf that requires a gradient; got a "
            "constant of shape [2]");
}

TEST(Hooks, AnExceptionOfOneEndsTheWalkAndLeavesNothingBehind) {
  Tensor x = leaf({1});
  Hook hook = register_hook(x, [](const Tensor&) { throw std::runtime_error("mine"); });
  const Tensor y = sum(x * 2.0);
  EXPECT_THROW(y.backward({.retain_graph = true}), std::runtime_error);
  EXPECT_FALSE(x.grad().defined());
  hook.remove();
  y.backward();
  EXPECT_EQ(x.grad().item(), 2);
}

TEST(Hooks, StayWithAParameterThatChangesItsDtype) {
  // Module::to is what calls replace_elements.
  Texts seen;
  Tensor x = leaf({1});
  register_hook(x, note_in(seen));
  Tensor handle = x;
  replace_elements(handle, x.detach().to(Dtype::f32));
  sum(x * 2.0).backward();
  EXPECT_EQ(seen, Texts{"f32[1] {2}"});
}

// ---- of leaves, after accumulation -------------------------------------------------------------

TEST(LeafHooks, RunAsSoonAsTheGradientIsCompleteWhileTheRestIsComputed) {
  Texts order;
  const auto note = [&order](const char* what) {
    return [&order, what](const Tensor&) { order.emplace_back(what); };
  };
  const auto note_leaf = [&order](const char* what) {
    return [&order, what](Tensor& w) { order.push_back(text(what, " ", w.grad().str())); };
  };
  Tensor first = leaf({2}), last = leaf({5});
  register_post_accumulate_grad_hook(first, note_leaf("first"));
  register_post_accumulate_grad_hook(last, note_leaf("last"));
  Tensor x = leaf({1});
  const Tensor y = x * first;
  register_hook(y, note("y"));
  const Tensor z = y * last + last;  // used twice
  sum(z).backward();
  EXPECT_EQ(order, (Texts{"last f64[1] {3}", "y", "first f64[1] {5}"}));
}

TEST(LeafHooks, MayUpdateAtOnceAndClearTheGradient) {
  Tensor w = leaf({1, 2});
  register_post_accumulate_grad_hook(w, [](Tensor& p) {
    const NoGrad no_grad;
    p.copy_from(p - p.grad() * 0.5);
    p.clear_grad();
  });
  for (int step = 0; step < 3; ++step) sum(w * 2.0).backward();
  EXPECT_EQ(w.str(), "f64[2] {-2, -1}");
  EXPECT_FALSE(w.grad().defined());
}

TEST(LeafHooks, SeeTheSumWithWhatWasThere) {
  Texts seen;
  Tensor w = leaf({1});
  register_post_accumulate_grad_hook(w, [&](Tensor& p) { seen.push_back(p.grad().str()); });
  register_hook(w, [](const Tensor& g) { return g * 10.0; });
  for (int pass = 0; pass < 2; ++pass) sum(w * 2.0).backward();
  EXPECT_EQ(seen, (Texts{"f64[1] {20}", "f64[1] {40}"}));
  grad({sum(w * 2.0)}, {w});
  EXPECT_EQ(seen.size(), 2u);  // grad() adds to nothing
}

TEST(LeafHooks, AreNotCalledForALeafThatNothingReached) {
  int calls = 0;
  Tensor used = leaf({1}), unused = leaf({1});
  for (Tensor* x : {&used, &unused}) {
    register_post_accumulate_grad_hook(*x, [&](Tensor&) { ++calls; });
  }
  const Tensor y = record(
      "first", {used, unused}, [&] { return used * 1.0; },
      [](const Backward& b) -> Gradients {
        return {b.grad, Tensor()};
      });
  sum(y).backward();
  EXPECT_EQ(calls, 1);
}

// ---- under recompute ---------------------------------------------------------------------------

TEST(HooksUnderRecompute, RunOnceForEachWalk) {
  Texts inside, input, weight;
  Tensor x = leaf({1, 2}), w = leaf({3, 4});
  register_hook(w, note_in(weight));
  const Tensor in = x * 1.0;
  const Tensor y = recompute(
      [&, w](const Tensors& given) {
        register_hook(given[0], note_in(input));  // comes from outside
        const Tensor h = given[0] * w;
        register_hook(h, note_in(inside));
        return h * 2.0;
      },
      {in});
  EXPECT_EQ(grad({sum(y)}, {x}, {.retain_graph = true})[0].str(), "f64[2] {6, 8}");
  sum(y).backward();
  EXPECT_EQ(inside, (Texts{"f64[2] {2, 2}", "f64[2] {2, 2}"}));
  EXPECT_EQ(input, (Texts{"f64[2] {6, 8}", "f64[2] {6, 8}"}));
  EXPECT_EQ(weight, Texts{"f64[2] {2, 4}"});
}

TEST(HooksUnderRecompute, ReplaceGradientsAsWithoutIt) {
  const auto gradient = [](bool again) {
    Tensor x = leaf({1, 2}), w = leaf({3, 4});
    register_hook(w, [](const Tensor& g) { return g * 7.0; });
    const auto f = [w](const Tensors& given) {
      const Tensor h = given[0] * w;
      register_hook(h, [](const Tensor& g) { return g + 1.0; });
      return h * h;
    };
    sum(again ? recompute(f, {x * 2.0}) : f({x * 2.0})).backward();
    return x.grad().str() + w.grad().str();
  };
  EXPECT_EQ(gradient(true), gradient(false));
}

TEST(Hooks, DoNothingWhileNoGraphIsRecorded) {
  const NoGrad no_grad;
  register_hook(zeros({2}), [](const Tensor& g) { return g; });
}

}  // namespace
}  // namespace rapt
