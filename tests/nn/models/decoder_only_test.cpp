#include "rapt/nn/models/decoder_only.h"

#include <gtest/gtest.h>

#include "../../reference/reference.h"
#include "../../support/going_on.h"
#include "rapt/autograd/kernels/runtime/allocator.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/attention/heads.h"
#include "rapt/nn/gradient_flow.h"
#include "rapt/nn/position/sinusoidal.h"
#include "rapt/optim/adam.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;
using Names = std::vector<std::string>;

/// Small, with room for every option.
TransformerOptions small(TransformerOptions options = {}) {
  options.vocabulary = 11;
  options.context = 7;
  options.width = 8;
  options.block.attention.heads = 2;
  return options;
}

/// One of each kind.
std::vector<TransformerOptions> variants() {
  return {small(), small({.tie_weights = true}),
          small({.block = {.pre_norm = false}, .positions = Positions::sinusoidal}),
          small({.block = {.attention = {.positions = AttentionPositions::rotary()},
                           .feed_forward = {.activation = Activation::silu, .gated = true},
                           .norm = NormKind::rms}})};
}

Tensor ids_of(std::vector<int64_t> ids, const Shape& shape) { return from_values(ids, shape); }

TEST(DecoderOnly, AgreesWithPyTorch) {
  Rng rng(3);
  reference::expect_as_pytorch(
      "transformer", [&] { return DecoderOnly(small(), rng); },
      [](const DecoderOnly& model, const NamedTensors& in) {
        return NamedTensors{{"y", model(in["ids"])}};
      });
}

TEST(DecoderOnly, NamesItsParameters) {
  Rng rng(4);
  const Names block = {"norm1.weight",           "norm1.bias",           "attention.query.weight",
                       "attention.query.bias",   "attention.key.weight", "attention.key.bias",
                       "attention.value.weight", "attention.value.bias", "attention.output.weight",
                       "attention.output.bias",  "norm2.weight",         "norm2.bias",
                       "feed_forward.up.weight", "feed_forward.up.bias", "feed_forward.down.weight",
                       "feed_forward.down.bias"};
  Names wanted = {"tokens.weight", "positions.weight"};
  for (const char* prefix : {"blocks.0.", "blocks.1."}) {
    for (const std::string& name : block) wanted.push_back(prefix + name);
  }
  for (const char* name : {"norm.weight", "norm.bias", "head.weight"}) wanted.push_back(name);
  EXPECT_EQ(reference::names(DecoderOnly(small(), rng).parameters()), wanted);
}

TEST(DecoderOnly, HasOnlyTheParametersThatItsOptionsAskFor) {
  Rng rng(5);
  const auto names_of = [&](TransformerOptions options) {
    options.layers = 1;
    Names out;
    for (const std::string& name : reference::names(DecoderOnly(options, rng).parameters())) {
      if (!name.starts_with("blocks.0.attention.")) out.push_back(name);
    }
    return out;
  };
  EXPECT_EQ(
      names_of(variants()[1]),
      (Names{"tokens.weight", "positions.weight", "blocks.0.norm1.weight", "blocks.0.norm1.bias",
             "blocks.0.norm2.weight", "blocks.0.norm2.bias", "blocks.0.feed_forward.up.weight",
             "blocks.0.feed_forward.up.bias", "blocks.0.feed_forward.down.weight",
             "blocks.0.feed_forward.down.bias", "norm.weight", "norm.bias"}));
  EXPECT_EQ(
      names_of(variants()[2]),
      (Names{"tokens.weight", "blocks.0.norm1.weight", "blocks.0.norm1.bias",
             "blocks.0.norm2.weight", "blocks.0.norm2.bias", "blocks.0.feed_forward.up.weight",
             "blocks.0.feed_forward.up.bias", "blocks.0.feed_forward.down.weight",
             "blocks.0.feed_forward.down.bias", "head.weight"}));
  EXPECT_EQ(names_of(variants()[3]),
            (Names{"tokens.weight", "blocks.0.norm1.weight", "blocks.0.norm2.weight",
                   "blocks.0.feed_forward.up.weight", "blocks.0.feed_forward.up.bias",
                   "blocks.0.feed_forward.down.weight", "blocks.0.feed_forward.down.bias",
                   "blocks.0.feed_forward.gate.weight", "blocks.0.feed_forward.gate.bias",
                   "norm.weight", "head.weight"}));
}

TEST(DecoderOnly, ReachesEveryParameter) {
  for (const TransformerOptions& options : variants()) {
    Rng rng(6);
    const DecoderOnly model(options, rng);
    const Tensor ids = rng.integers(0, 11, {3, 7}), targets = rng.integers(0, 11, {3, 7});
    cross_entropy(model(ids), targets).mean().backward();
    EXPECT_EQ(check_gradient_flow(model.parameters()).text, "");
  }
}

TEST(DecoderOnly, SeesNoTokenThatIsStillToCome) {
  for (const TransformerOptions& options : variants()) {
    Rng rng(7);
    const DecoderOnly model(options, rng);
    const Tensor a = model(ids_of({1, 2, 3, 4, 5}, {1, 5}));
    const Tensor b = model(ids_of({1, 2, 3, 9, 0}, {1, 5}));
    EXPECT_TRUE(close(slice(b, 1, 0, 3), slice(a, 1, 0, 3), 1e-6));
    EXPECT_FALSE(close(select(b, 1, 4), select(a, 1, 4), 1e-6));
  }
}

TEST(DecoderOnly, KnowsTheOrderOfItsTokens) {
  for (const TransformerOptions& options : variants()) {
    TransformerOptions louder = options;
    louder.stddev = 0.3;
    Rng rng(8);
    const DecoderOnly model(louder, rng);
    const Tensor a = model(ids_of({1, 2, 3}, {1, 3})), b = model(ids_of({2, 1, 3}, {1, 3}));
    EXPECT_FALSE(close(select(b, 1, 2), select(a, 1, 2), 1e-4));
  }
}

TEST(DecoderOnly, IgnoresWhatThePaddingMaskHides) {
  Rng rng(9);
  const DecoderOnly model(small(), rng);
  // Padding on the left, where causality alone does not hide it.
  const Tensor mask = from_values<bool>({false, true, true}, {1, 1, 1, 3});
  const Tensor a = model(ids_of({1, 2, 3}, {1, 3}), {.mask = mask});
  const Tensor b = model(ids_of({9, 2, 3}, {1, 3}), {.mask = mask});
  EXPECT_TRUE(close(slice(b, 1, 1, 3), slice(a, 1, 1, 3), 1e-6));
  EXPECT_FALSE(close(slice(model(ids_of({9, 2, 3}, {1, 3})), 1, 1, 3), slice(a, 1, 1, 3), 1e-6));
}

TEST(DecoderOnly, ShowsTheAttentionOfEveryLayer) {
  Rng rng(10);
  const DecoderOnly model(small({.layers = 3}), rng);
  const Tensor ids = rng.integers(0, 11, {2, 5});
  const NamedTensors weights = attention_maps(model, [&] { model(ids); });
  ASSERT_EQ(reference::names(weights),
            (Names{"blocks.0.attention", "blocks.1.attention", "blocks.2.attention"}));
  for (const auto& [name, w] : weights) {
    ASSERT_EQ(w.shape(), (Shape{2, 2, 5, 5}));
    EXPECT_TRUE(close(sum(w, {-1}), ones({2, 2, 5}), 1e-6));
    EXPECT_EQ(max(abs(triu(w, 1))).item(), 0);
  }
}

TEST(DecoderOnly, StartsAsGpt2) {
  Rng rng(11);
  const DecoderOnly model({.vocabulary = 300, .context = 100, .width = 128, .layers = 8}, rng);
  for (const auto& [name, p] : model.parameters()) {
    if (name.ends_with(".bias")) {
      EXPECT_EQ(max(abs(p)).item(), 0) << name;
    } else if (p.rank() == 1) {
      EXPECT_TRUE(close(p, ones(p.shape()), 0)) << name;
    } else {
      const bool ends_branch = name.ends_with("output.weight") || name.ends_with("down.weight");
      const double stddev = ends_branch ? 0.02 / std::sqrt(16.0) : 0.02;
      EXPECT_NEAR(std::sqrt(var(p).item()), stddev, 0.05 * stddev) << name;
    }
  }
}

TEST(DecoderOnly, TiesTheHeadToTheEmbedding) {
  Rng rng(12);
  const DecoderOnly model(small({.tie_weights = true}), rng);
  const Tensor ids = ids_of({4, 2}, {1, 2});
  Tensor before = model(ids);
  // A token that is not in the input shows up in its own logit alone.
  Tensor(model.embedding.tokens.weight).mutable_data<float>()[10 * 8] += 1;
  const Tensor change = abs(model(ids) - before.detach());
  EXPECT_GT(max(select(change, -1, 10)).item(), 1e-3);
  EXPECT_EQ(max(slice(change, -1, 0, 10)).item(), 0);
}

TEST(DecoderOnly, ScalesEmbeddingsBesideSinusoidalPositions) {
  Rng rng(13);
  const DecoderOnly model(small({.layers = 1, .positions = Positions::sinusoidal}), rng);
  const Tensor ids = ids_of({4, 2, 7}, {1, 3});
  const Tensor x = model.embedding.tokens(ids) * std::sqrt(8.0) + sinusoidal_positions(3, 8);
  const Tensor wanted =
      (*model.head)((*model.stack.norm)(model.stack.blocks[0](x, {.mask = Mask::causal()})));
  EXPECT_TRUE(close(model(ids), wanted, 1e-6));
}

TEST(DecoderOnly, GoesOnFromItsState) {
  Rng rng(14), other(15);
  const TransformerOptions options = small({.dropout = 0.3});
  const Tensor ids = rng.integers(0, 11, {2, 6});
  tests::expect_going_on_from_state(DecoderOnly(options, rng), DecoderOnly(options, other),
                                    [&](const DecoderOnly& model) { return model(ids); });
}

TEST(DecoderOnly, DropsPartsOfTheEmbeddings) {
  Rng rng(21);
  DecoderOnly model(small({.dropout = 0.5, .stddev = 0.5}), rng);
  const Tensor ids = rng.integers(0, 11, {2, 6});
  // What the first layer attends to comes before any other dropout.
  const auto first = [&] {
    return attention_maps(model, [&] { model(ids); })["blocks.0.attention"];
  };
  EXPECT_FALSE(close(first(), first(), 1e-3));
  model.eval();
  EXPECT_TRUE(close(first(), first(), 0));
}

TEST(DecoderOnly, RunsInF64) {
  for (const TransformerOptions& options : variants()) {
    Rng rng(16);
    DecoderOnly model(options, rng);
    const Tensor ids = rng.integers(0, 11, {2, 6});
    const Tensor single = model(ids);
    model.to(Dtype::f64);
    EXPECT_EQ(model(ids).dtype(), Dtype::f64);
    EXPECT_TRUE(close(single, model(ids), 1e-5));
  }
}

TEST(DecoderOnly, LearnsASequenceByHeart) {
  for (const TransformerOptions& options : variants()) {
    Rng rng(17);
    const DecoderOnly model(options, rng);
    const Tensor ids = ids_of({3, 1, 4, 1, 5, 9, 2}, {1, 7});
    const Tensor targets = ids_of({1, 4, 1, 5, 9, 2, 6}, {1, 7});
    optim::AdamW optimizer(model.parameters(), {.lr = 1e-2});
    double loss = 0;
    for (int step = 0; step < 80; ++step) {
      const Tensor mean = cross_entropy(model(ids), targets).mean();
      optimizer.zero_grad();
      mean.backward();
      optimizer.step();
      loss = mean.item();
    }
    EXPECT_LT(loss, 0.1);
  }
}

/// Losses, gradients, and the state with its streams of random numbers, after three steps.
NamedTensors train(TransformerOptions options, bool recompute) {
  options.dropout = 0.1;
  options.recompute = recompute;
  Rng rng(22);
  const DecoderOnly model(options, rng);
  optim::AdamW optimizer(model.parameters(), {.lr = 1e-2});
  NamedTensors out;
  for (int step = 0; step < 3; ++step) {
    const Tensor ids = rng.integers(0, 11, {2, 6});
    const Tensor loss =
        cross_entropy(model(ids, {.mask = Mask::lengths(from_values<int64_t>({4, 6}))}),
                      rng.integers(0, 11, {2, 6}))
            .mean();
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    out.add(text("loss ", step), loss.detach());
  }
  for (const auto& [name, p] : model.parameters()) out.add("gradient of " + name, p.grad());
  out.add_all("", model.state());
  return out;
}

TEST(DecoderOnly, RecomputesItsBlocksToTheBit) {
  for (const TransformerOptions& options : variants()) {
    const NamedTensors wanted = train(options, false), found = train(options, true);
    for (const auto& [name, tensor] : wanted) {
      EXPECT_TRUE(close(found[name], tensor, 0)) << name;
    }
  }
}

TEST(DecoderOnly, KeepsLittleOfTheBlocksThatItRecomputes) {
  const auto blocks_of_memory = [](bool recompute) {
    Rng rng(23);
    const DecoderOnly model(small({.layers = 8, .recompute = recompute}), rng);
    const Tensor ids = rng.integers(0, 11, {2, 6});
    model(ids);  // what is made once
    const size_t before = kernels::blocks_in_use();
    const Tensor logits = model(ids);
    const size_t kept = kernels::blocks_in_use() - before;
    return kept;
  };
  EXPECT_LT(blocks_of_memory(true) * 4, blocks_of_memory(false));
}

TEST(DecoderOnly, SaysWhatIsTooLongOrUnknown) {
  Rng rng(18);
  const DecoderOnly model(small(), rng);
  EXPECT_EQ(error_of([&] {
              model(zeros({1, 8}, Dtype::i64));
            }),
            "DecoderOnly: wanted at most 7 tokens, the context; got 8");
  EXPECT_EQ(error_of([&] {
              model(ids_of({1, 11}, {1, 2}));
            }),
            "embedding: wanted indices in [0, 11); got 11 at position 1 of [1, 2] (in tokens)");
  EXPECT_EQ(error_of([&] { model(zeros({3}, Dtype::i64)); }),
            "DecoderOnly: wanted ids i64 [B, T]; got i64[3]");
  EXPECT_EQ(error_of([&] {
              model(zeros({1, 3}));
            }),
            "DecoderOnly: wanted ids i64 [B, T]; got f32[1, 3]");
}

TEST(DecoderOnly, SaysWhichOptionIsWrong) {
  Rng rng(19);
  EXPECT_EQ(error_of([&] { DecoderOnly({.context = 3}, rng); }),
            "TokenEmbedding: wanted vocabulary >= 1; got 0");
  EXPECT_EQ(error_of([&] { DecoderOnly({.vocabulary = 3}, rng); }),
            "TokenEmbedding: wanted context >= 1; got 0");
  EXPECT_EQ(error_of([&] { DecoderOnly({.vocabulary = 3, .context = 3, .layers = 0}, rng); }),
            "TransformerStack: wanted layers >= 1; got 0");
  EXPECT_NE(
      error_of([&] {
        DecoderOnly(
            {.vocabulary = 3, .context = 3, .width = 10, .block = {.attention = {.heads = 3}}},
            rng);
      }).find("divisible"),
      std::string::npos);
  EXPECT_EQ(error_of([&] { DecoderOnly({.vocabulary = 3, .context = 3, .dropout = 1}, rng); }),
            "Dropout: wanted 0 <= p < 1; got 1");
}

TEST(DecoderOnly, WorksOnEmptyBatchesAndSequences) {
  for (const TransformerOptions& options : variants()) {
    Rng rng(20);
    const DecoderOnly model(options, rng);
    EXPECT_EQ(model(zeros({0, 4}, Dtype::i64)).shape(), (Shape{0, 4, 11}));
    EXPECT_EQ(model(zeros({2, 0}, Dtype::i64)).shape(), (Shape{2, 0, 11}));
    EXPECT_EQ(model(zeros({1, 1}, Dtype::i64)).shape(), (Shape{1, 1, 11}));
  }
}

}  // namespace
}  // namespace rapt::nn
