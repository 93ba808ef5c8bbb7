// Nothing leaks, nothing recurses: what a graph keeps alive, and that it lets go of it.

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "../support/tensors.h"
#include "rapt/autograd/kernels/runtime/allocator.h"
#include "rapt/nn/nn.h"
#include "rapt/optim/optim.h"

namespace rapt {
namespace {

using kernels::blocks_in_use;
using tests::error_of;
using tests::leaf;

/// Fails when f leaves more blocks in use than it found.
template <class F>
void expect_no_leak(F f) {
  f();  // what is made once, at the first use
  const size_t before = blocks_in_use();
  f();
  EXPECT_EQ(blocks_in_use(), before);
}

TEST(Lifetime, TensorsGiveTheirMemoryBack) {
  const size_t before = blocks_in_use();
  {
    const Tensor x = zeros({100});
    const Tensor view = reshape(x, {10, 10});
    EXPECT_GT(blocks_in_use(), before);
  }
  EXPECT_EQ(blocks_in_use(), before);
}

TEST(Lifetime, AViewKeepsTheElementsAlive) {
  Tensor view;
  {
    const Tensor x = tensor({{1, 2}, {3, 4}});
    view = select(x, 0, 1);
  }
  EXPECT_EQ(view.str(), "f32[2] {3, 4}");
}

TEST(Lifetime, AGraphThatIsNeverWalkedIsFreed) {
  expect_no_leak([] {
    Tensor x = leaf({1, 2});
    const Tensor y = softmax(layer_norm(x * x + 1.0));
    EXPECT_TRUE(y.requires_grad());
  });
}

TEST(Lifetime, EveryKindOfWalkFreesItsGraph) {
  expect_no_leak([] {
    Rng rng(1);
    Tensor x = rng.normal({4, 8}).set_requires_grad();
    Tensor gain = rng.normal({8}).set_requires_grad();
    const auto f = [&] { return sum(gelu(layer_norm(softmax(x), gain)) * tanh(x)); };
    f().backward();
    f().backward({.retain_graph = true});
    grad({f()}, {x, gain});
    const Tensors g = grad({f()}, {x, gain}, {.create_graph = true});
    const Tensor second = grad({sum(g[0] * g[0])}, {x}, {.create_graph = true})[0];
    sum(second).backward();
  });
}

TEST(Lifetime, BackwardFreesWhatRulesKeptWhileTheOutputLives) {
  Tensor x = zeros({1000}).set_requires_grad();
  const size_t before = blocks_in_use();
  const Tensor y = sum(exp(exp(exp(x))));
  const size_t with_graph = blocks_in_use();
  y.backward();
  EXPECT_LT(blocks_in_use(), with_graph);
  x.clear_grad();
  // y itself: elements, handle, storage, and the husk of the graph's last op.
  EXPECT_LE(blocks_in_use(), before + 8);
}

TEST(Lifetime, TrainingStepsLeaveNothingBehind) {
  // A thread of the pool keeps a workspace from the first piece on that it happens to get.
  const tests::WithThreads one(1);
  Rng rng(1);
  nn::DecoderOnly model({.vocabulary = 11,
                         .context = 8,
                         .width = 16,
                         .block = {.attention = {.heads = 2}},
                         .dropout = 0.1},
                        rng);
  optim::AdamW adam(optim::decay_groups(model.parameters(), 0.1));
  const auto step = [&] {
    const Tensor ids = rng.integers(0, 11, {3, 8});
    const Tensor loss = cross_entropy(model(ids), ids).mean();
    adam.zero_grad();
    loss.backward();
    optim::clip_grad_norm(model.parameters(), 1);
    adam.step();
  };
  step();  // makes moments and gradients
  const size_t before = blocks_in_use();
  for (int i = 0; i < 5; ++i) {
    step();
    EXPECT_EQ(blocks_in_use(), before) << i;
  }
}

TEST(Lifetime, FailedCallsLeaveNothingBehind) {
  expect_no_leak([] {
    Tensor x = leaf({1, 2, 3}, Dtype::f32);
    const Tensor h = exp(x);
    EXPECT_EQ(error_of([&] {
                add(h, tensor({1, 2}));
              }),
              "add: wanted shapes that broadcast (aligned at the last axis, equal or 1); got [3] "
              "and [2]");
    EXPECT_EQ(error_of([&] {
                matmul(h, zeros({2, 2}));
              }),
              "matmul: wanted a [..., m, k] and b [..., k, n]; got a [3] and b [2, 2]");
    EXPECT_EQ(error_of([&] { h.backward(); }),
              "backward: wanted a cotangent for an output of shape [3]; only a single element has "
              "1 by default");
    EXPECT_EQ(error_of([&] { cross_entropy(unsqueeze(h, 0), tensor({7}, Dtype::i64)); }),
              "cross_entropy: wanted targets in [0, 3) or ignore_index -100; got 7 at position 0");
    const Tensor thrower = record(
        "thrower", {h}, [&] { return h.detach(); },
        [h](const Backward&) -> Gradients { throw std::runtime_error("out of luck"); });
    EXPECT_THROW(sum(thrower * x + h).backward(), std::runtime_error);
  });
}

TEST(Lifetime, ACapturedInputIsReleasedWithItsRule) {
  auto token = std::make_shared<int>(0);
  Tensor x = leaf({1});
  const auto keeping = [&x](std::shared_ptr<int> kept) {
    return record(
        "keeper", {x}, [&] { return x.clone(); },
        [kept](const Backward& b) -> Gradients { return {b.grad}; });
  };
  Tensor y = keeping(token);
  EXPECT_EQ(token.use_count(), 2);
  y.backward();
  EXPECT_EQ(token.use_count(), 1);  // though y still lives
  y = keeping(token);
  y.backward({.retain_graph = true});
  EXPECT_EQ(token.use_count(), 2);
  y = Tensor();
  EXPECT_EQ(token.use_count(), 1);
}

// ---- depth and width ---------------------------------------------------------------------------

constexpr int deep = 1'000'000;

// A recursive walk, or a recursive release, would overflow the stack.
TEST(DeepGraph, AMillionOpsAreDifferentiatedAndFreed) {
  const size_t before = blocks_in_use();
  {
    Tensor x = leaf({1});
    Tensor y = x;
    for (int i = 0; i < deep; ++i) y = y + 1.0;
    EXPECT_EQ(y.item(), deep + 1);
    y.backward();
    EXPECT_EQ(x.grad().item(), 1);
  }
  EXPECT_EQ(blocks_in_use(), before);
}

TEST(DeepGraph, AMillionOpsAreFreedWithoutAWalk) {
  const size_t before = blocks_in_use();
  {
    Tensor x = leaf({1});
    Tensor y = x;
    for (int i = 0; i < deep; ++i) y = -y;
  }
  EXPECT_EQ(blocks_in_use(), before);
}

// Here each rule keeps its input, and that the op before it: a chain through captures.
TEST(DeepGraph, AChainThroughWhatRulesKeepIsFreedToo) {
  const size_t before = blocks_in_use();
  {
    Tensor x = leaf({1});
    Tensor y = x;
    for (int i = 0; i < 200'000; ++i) y = y * y;
    y.backward({.retain_graph = true});
    EXPECT_EQ(x.grad().dtype(), Dtype::f64);
  }
  EXPECT_EQ(blocks_in_use(), before);
}

TEST(DeepGraph, GradWalksAndFreesADeepGraph) {
  const size_t before = blocks_in_use();
  {
    Tensor x = leaf({1});
    Tensor y = x;
    for (int i = 0; i < 200'000; ++i) y = y + x;
    EXPECT_EQ(grad({y}, {x})[0].item(), 200'001);
    y = x;
    for (int i = 0; i < 50'000; ++i) y = sin(y);
    const Tensor g = grad({y}, {x}, {.create_graph = true})[0];
    EXPECT_TRUE(g.requires_grad());
  }
  EXPECT_EQ(blocks_in_use(), before);
}

TEST(DeepGraph, FreedInAnotherThread) {
  const size_t before = blocks_in_use();
  Tensor x = leaf({1});
  Tensor y = x;
  for (int i = 0; i < 100'000; ++i) y = y + 1.0;
  std::thread([moved = std::move(y)]() mutable { moved = Tensor(); }).join();
  x = Tensor();
  EXPECT_EQ(blocks_in_use(), before);
}

TEST(WideGraph, OneOpOfManyInputsAndOneTensorOfManyUses) {
  const size_t before = blocks_in_use();
  {
    Tensor x = leaf({2});
    Tensors parts;
    for (int i = 0; i < 20'000; ++i) parts.push_back(x * static_cast<double>(i % 2));
    sum(concat(parts)).backward();
    EXPECT_EQ(x.grad().item(), 10'000);
  }
  EXPECT_EQ(blocks_in_use(), before);
}

}  // namespace
}  // namespace rapt
