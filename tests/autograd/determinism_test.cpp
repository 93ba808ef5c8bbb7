// The same bits on 1, 2 or N threads, and from run to run.

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "../support/tensors.h"
#include "rapt/data/data.h"
#include "rapt/nn/nn.h"
#include "rapt/optim/optim.h"

namespace rapt {
namespace {

using tests::same_bits;
using tests::WithThreads;

/// All that a short training leaves behind: losses, parameters, moments, streams.
NamedTensors train(uint64_t seed, int steps) {
  Rng rng(seed);
  const data::TaskDataset dataset({.task = data::Task::reverse, .max_length = 12, .seed = seed});
  nn::Transformer model({.vocabulary = dataset.vocabulary_size(),
                         .context = dataset.context(),
                         .width = 48,
                         .heads = 3,
                         .dropout = 0.1,
                         .positions = nn::Positions::rotary},
                        rng);
  optim::AdamW adam(optim::decay_groups(model.parameters(), 0.1), {.lr = 3e-3});
  data::Loader loader(dataset, {.batch_size = 24, .seed = seed});
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    const NamedTensors batch = loader.next();
    const Tensor loss = cross_entropy(model(batch["tokens"]), batch["targets"]).mean();
    adam.zero_grad();
    loss.backward();
    losses.push_back(optim::clip_grad_norm(model.parameters(), 1));
    losses.push_back(loss.item());
    adam.step();
  }
  NamedTensors out = {{"losses", from_values(losses)}};
  out.add_all("model.", model.state());
  out.add_all("adam.", adam.state());
  return out;
}

void expect_same(const NamedTensors& a, const NamedTensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) EXPECT_TRUE(same_bits(tensor, b[name])) << name;
}

TEST(Determinism, TwentyStepsAreTheSameForAnyNumberOfThreads) {
  NamedTensors wanted;
  {
    const WithThreads scope(1);
    wanted = train(1, 20);
  }
  for (const int threads : {2, 4}) {
    SCOPED_TRACE(threads);
    const WithThreads scope(threads);
    expect_same(train(1, 20), wanted);
  }
}

TEST(Determinism, AnotherSeedIsAnotherRun) {
  EXPECT_FALSE(same_bits(train(1, 1)["losses"], train(2, 1)["losses"]));
}

TEST(Determinism, TwoModelsInTwoThreads) {
  const NamedTensors first = train(1, 6), second = train(2, 6);
  NamedTensors first_beside, second_beside;
  std::thread one([&] { first_beside = train(1, 6); });
  std::thread two([&] { second_beside = train(2, 6); });
  one.join();
  two.join();
  expect_same(first_beside, first);
  expect_same(second_beside, second);
}

// Each product large enough to be cut into pieces, and of awkward sizes.
TEST(Determinism, ProductsAndTheirGradients) {
  const auto products = [](int threads) {
    const WithThreads scope(threads);
    Rng rng(3);
    Tensor a = rng.normal({3, 257, 129}).set_requires_grad();
    Tensor b = rng.normal({129, 301}).set_requires_grad();
    Tensor c = rng.normal({3, 301, 65}).set_requires_grad();
    const Tensor y = einsum("bij,jk,bkl->il", {a, b, c}) + sum(matmul(matmul(a, b), c), 0);
    (y * y).backward(ones(y.shape()));
    return Tensors{y.detach(), a.grad(), b.grad(), c.grad()};
  };
  const Tensors wanted = products(1);
  for (const int threads : {2, 3, 4}) {
    const Tensors found = products(threads);
    for (size_t i = 0; i < wanted.size(); ++i) EXPECT_TRUE(same_bits(found[i], wanted[i])) << i;
  }
}

TEST(Determinism, FusedOpsAndTheirGradients) {
  const auto all = [](int threads) {
    const WithThreads scope(threads);
    Rng rng(4);
    Tensor x = rng.normal({4, 200, 96}).set_requires_grad();
    Tensor gain = rng.normal({96}).set_requires_grad();
    const Tensor h = layer_norm(x, gain) + rms_norm(x, gain);
    const Tensor heads = transpose(reshape(h, {4, 200, 6, 16}), 1, 2);
    const Tensor y = scaled_dot_product_attention(heads, heads, heads,
                                                  {.causal = true, .dropout = 0.2, .rng = &rng});
    const Loss loss = cross_entropy(reshape(gelu(y), {-1, 16}), rng.integers(0, 16, {4800}));
    loss.mean().backward();
    return Tensors{y.detach(), loss.sum.detach(), x.grad(), gain.grad()};
  };
  const Tensors wanted = all(1);
  for (const int threads : {2, 3, 4}) {
    const Tensors found = all(threads);
    for (size_t i = 0; i < wanted.size(); ++i) EXPECT_TRUE(same_bits(found[i], wanted[i])) << i;
  }
}

}  // namespace
}  // namespace rapt
