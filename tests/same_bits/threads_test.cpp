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

struct Batch {
  Tensor tokens, targets;
};

/// All that a training leaves behind: losses, norms, parameters, moments, streams.
template <class Next>
NamedTensors train(nn::DecoderOnly model, int steps, Next next) {
  optim::AdamW adam(optim::decay_groups(model.parameters(), 0.1), {.lr = 3e-3});
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    const Batch batch = next();
    const Tensor loss = cross_entropy(model(batch.tokens), batch.targets).mean();
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

/// On a task, with a loader, dropout and padding.
NamedTensors train_task(uint64_t seed, int steps) {
  Rng rng(seed);
  const data::TaskDataset dataset({.task = data::Task::reverse, .max_length = 12, .seed = seed});
  data::Loader loader(dataset, {.batch_size = 24, .seed = seed});
  const nn::DecoderOnly model(
      {.vocabulary = dataset.vocabulary_size(),
       .context = dataset.context(),
       .width = 48,
       .block = {.attention = {.heads = 3, .positions = nn::AttentionPositions::rotary()}},
       .dropout = 0.1},
      rng);
  return train(model, steps, [&] {
    const NamedTensors batch = loader.next();
    return Batch{batch["tokens"], batch["targets"]};
  });
}

/// On random tokens.
NamedTensors train_random(const nn::TransformerOptions& options, int64_t batch, int steps) {
  Rng rng(5);
  const auto draw = [&] { return rng.integers(0, options.vocabulary, {batch, options.context}); };
  return train(nn::DecoderOnly(options, rng), steps, [&] { return Batch{draw(), draw()}; });
}

void expect_same(const NamedTensors& a, const NamedTensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) EXPECT_TRUE(same_bits(tensor, b[name])) << name;
}

TEST(SameBitsOnAnyThreads, TwentyStepsAreTheSameForAnyNumberOfThreads) {
  NamedTensors wanted;
  {
    const WithThreads scope(1);
    wanted = train_task(1, 20);
  }
  for (const int threads : {2, 4}) {
    SCOPED_TRACE(threads);
    const WithThreads scope(threads);
    expect_same(train_task(1, 20), wanted);
  }
}

/// Fifty steps on 1, 2 and 4 threads, and on 2 once more: the same bytes.
void expect_fifty_equal_steps(const nn::TransformerOptions& options, int64_t batch) {
  NamedTensors wanted;
  for (const int threads : {2, 2, 1, 4}) {
    SCOPED_TRACE(threads);
    const WithThreads scope(threads);
    NamedTensors found = train_random(options, batch, 50);
    if (wanted.empty()) {
      wanted = std::move(found);
    } else {
      expect_same(found, wanted);
    }
  }
}

// The models of bench/, whose steps are cut into as many pieces as those of a real training.
const nn::TransformerOptions tiny{.vocabulary = 32,
                                  .context = 32,
                                  .width = 64,
                                  .layers = 2,
                                  .block = {.attention = {.heads = 4}}};
const nn::TransformerOptions small{.vocabulary = 65,
                                   .context = 64,
                                   .width = 128,
                                   .layers = 4,
                                   .block = {.attention = {.heads = 4}}};

TEST(SameBitsOnAnyThreads, FiftyStepsOfTheTinyModel) { expect_fifty_equal_steps(tiny, 32); }

TEST(SameBitsOnAnyThreads, FiftyStepsOfTheSmallModel) { expect_fifty_equal_steps(small, 12); }

// What the models above do without.
TEST(SameBitsOnAnyThreads, FiftyStepsWithTheOtherLayers) {
  nn::TransformerOptions options = tiny;
  options.layers = 1;
  options.dropout = 0.1;
  options.block.feed_forward.activation = nn::Activation::silu;
  options.block.feed_forward.gated = true;
  options.block.norm = nn::NormKind::rms;
  options.block.attention.positions = nn::AttentionPositions::rotary();
  options.tie_weights = true;
  expect_fifty_equal_steps(options, 16);
  options.recompute = true;
  options.block.feed_forward.activation = nn::Activation::gelu;
  options.block.norm = nn::NormKind::layer;
  options.block.pre_norm = false;
  options.block.attention.positions = {};
  options.positions = nn::Positions::sinusoidal;
  expect_fifty_equal_steps(options, 16);
}

TEST(SameBitsOnAnyThreads, AnotherSeedIsAnotherRun) {
  EXPECT_FALSE(same_bits(train_task(1, 1)["losses"], train_task(2, 1)["losses"]));
}

TEST(SameBitsOnAnyThreads, TwoModelsInTwoThreads) {
  const NamedTensors first = train_task(1, 6), second = train_task(2, 6);
  for (const int threads : {1, 2, 4}) {
    SCOPED_TRACE(threads);
    const WithThreads scope(threads);
    NamedTensors first_beside, second_beside;
    std::thread one([&] { first_beside = train_task(1, 6); });
    std::thread two([&] { second_beside = train_task(2, 6); });
    one.join();
    two.join();
    expect_same(first_beside, first);
    expect_same(second_beside, second);
  }
}

// Each product large enough to be cut into pieces, and of awkward sizes.
TEST(SameBitsOnAnyThreads, ProductsAndTheirGradients) {
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

TEST(SameBitsOnAnyThreads, FusedOpsAndTheirGradients) {
  const auto all = [](int threads) {
    const WithThreads scope(threads);
    Rng rng(4);
    Tensor x = rng.normal({4, 200, 96}).set_requires_grad();
    Tensor gain = rng.normal({96}).set_requires_grad();
    const Tensor h = layer_norm(x, gain) + rms_norm(x, gain);
    const Tensor heads = transpose(reshape(h, {4, 200, 6, 16}), 1, 2);
    const Tensor y =
        attention(heads, heads, heads, {.mask = Mask::causal(), .dropout = 0.2, .rng = &rng});
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
