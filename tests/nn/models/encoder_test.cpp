#include "rapt/nn/models/encoder.h"

#include <gtest/gtest.h>

#include "../../reference/reference.h"
#include "../../support/going_on.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/gradient_flow.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;
using tests::same_bits;
using Names = std::vector<std::string>;

TransformerOptions small(TransformerOptions options = {}) {
  options.vocabulary = 11;
  options.context = 7;
  options.width = 8;
  options.block.attention.heads = 2;
  options.block.feed_forward.hidden = 6;
  return options;
}

std::vector<TransformerOptions> variants() {
  return {small(), small({.block = {.pre_norm = false}, .positions = Positions::sinusoidal}),
          small({.block = {.attention = {.positions = AttentionPositions::rotary()},
                           .feed_forward = {.activation = Activation::silu, .gated = true},
                           .norm = NormKind::rms}})};
}

TEST(Encoder, NamesItsParameters) {
  Rng rng(1);
  const Names names = reference::names(Encoder(small({.layers = 1}), rng).parameters());
  EXPECT_EQ(names, (Names{"tokens.weight",
                          "positions.weight",
                          "blocks.0.norm1.weight",
                          "blocks.0.norm1.bias",
                          "blocks.0.attention.query.weight",
                          "blocks.0.attention.query.bias",
                          "blocks.0.attention.key.weight",
                          "blocks.0.attention.key.bias",
                          "blocks.0.attention.value.weight",
                          "blocks.0.attention.value.bias",
                          "blocks.0.attention.output.weight",
                          "blocks.0.attention.output.bias",
                          "blocks.0.norm2.weight",
                          "blocks.0.norm2.bias",
                          "blocks.0.feed_forward.up.weight",
                          "blocks.0.feed_forward.up.bias",
                          "blocks.0.feed_forward.down.weight",
                          "blocks.0.feed_forward.down.bias",
                          "norm.weight",
                          "norm.bias"}));
}

TEST(Encoder, HasTheLastNormThatIsAskedFor) {
  Rng rng(1);
  for (const bool pre_norm : {true, false}) {
    for (const bool asked : {true, false}) {
      TransformerOptions options = small({.block = {.pre_norm = pre_norm}});
      EXPECT_EQ(Encoder(options, rng).stack.norm.has_value(), pre_norm);
      options.final_norm = asked;
      EXPECT_EQ(Encoder(options, rng).stack.norm.has_value(), asked);
      EXPECT_EQ(Encoder(options, rng).options().final_norm, asked);
    }
  }
}

TEST(Encoder, GivesItsBlocksTheirWindowsAndDropout) {
  Rng rng(1);
  TransformerOptions options = small({.layers = 3, .dropout = 0.3, .windows = {2, std::nullopt}});
  const auto dropouts = [&] {
    const Encoder model(options, rng);
    const TransformerBlock& block = model.stack.blocks[0];
    return std::vector<double>{model.embedding.dropout.probability(), block.dropout.probability(),
                               block.attention.dropout.probability()};
  };
  EXPECT_EQ(dropouts(), (std::vector<double>{0.3, 0.3, 0.3}));
  options.block.dropout = 0.2;
  EXPECT_EQ(dropouts(), (std::vector<double>{0.3, 0.2, 0.2}));
  options.block.attention.dropout = 0.1;
  EXPECT_EQ(dropouts(), (std::vector<double>{0.3, 0.2, 0.1}));
  const Encoder model(options, rng);
  EXPECT_EQ(model.stack.blocks[0].options().attention.window, 2);
  EXPECT_EQ(model.stack.blocks[1].options().attention.window, std::nullopt);
  EXPECT_EQ(model.stack.blocks[2].options().attention.window, 2);
}

TEST(Encoder, IsItsDefinition) {
  for (const TransformerOptions& options : variants()) {
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      Rng rng(2);
      Encoder model(options, rng);
      model.to(dtype);
      const Tensor ids = rng.integers(0, 11, {2, 5});
      const Tensor lengths = from_values<int64_t>({5, 2});
      const Mask more = Mask::window(3, 1);
      Tensor x = model.embedding(ids);
      for (const TransformerBlock& block : model.stack.blocks) {
        x = block(x, {.mask = Mask::lengths(lengths) & more});
      }
      if (model.stack.norm) x = (*model.stack.norm)(x);
      const Tensor y = model(ids, {.lengths = lengths, .mask = more});
      EXPECT_EQ(y.dtype(), dtype);
      EXPECT_TRUE(close(y, x, reference::tolerance(dtype)));
      EXPECT_FALSE(close(y, model(ids), 1e-4));
      EXPECT_FALSE(close(y, model(ids, {.lengths = lengths}), 1e-4));
    }
  }
}

TEST(Encoder, SeesBothWays) {
  for (const TransformerOptions& options : variants()) {
    Rng rng(3);
    const Encoder model(options, rng);
    const Tensor a = model(from_values<int64_t>({1, 2, 3}, {1, 3}));
    const Tensor b = model(from_values<int64_t>({1, 2, 9}, {1, 3}));
    EXPECT_FALSE(close(select(b, 1, 0), select(a, 1, 0), 1e-6));
  }
}

TEST(Encoder, ReachesEveryParameter) {
  for (const TransformerOptions& options : variants()) {
    Rng rng(4);
    const Encoder model(options, rng);
    const Tensor y = model(rng.integers(0, 11, {4, 7}));
    sum(y * reference::cotangent(y)).backward();
    EXPECT_EQ(check_gradient_flow(model.parameters()).text, "");
  }
}

TEST(Encoder, HasTheRightGradients) {
  Rng rng(5);
  Encoder model(small({.layers = 1, .stddev = 0.4}), rng);
  model.to(Dtype::f64);
  const Tensor ids = from_values<int64_t>({3, 1, 4, 1, 5, 9}, {2, 3});
  const auto report = reference::check_layer(
      {&model.embedding.tokens.weight, &model.embedding.positions->weight,
       &model.stack.blocks[0].attention.key.weight, &model.stack.norm->weight},
      {}, [&](const Tensors&) {
        return model(ids, {.lengths = from_values<int64_t>({3, 2})});
      });
  EXPECT_TRUE(report) << report.text;
}

TEST(Encoder, GoesOnFromItsState) {
  Rng rng(6), other(7);
  const TransformerOptions options = small({.dropout = 0.3});
  const Tensor ids = rng.integers(0, 11, {2, 6});
  tests::expect_going_on_from_state(Encoder(options, rng), Encoder(options, other),
                                    [&](const Encoder& model) { return model(ids); });
}

TEST(Encoder, OfNoTokens) {
  for (const TransformerOptions& options : variants()) {
    Rng rng(8);
    const Encoder model(options, rng);
    EXPECT_EQ(model(zeros({2, 0}, Dtype::i64)).shape(), (Shape{2, 0, 8}));
    EXPECT_EQ(model(zeros({0, 3}, Dtype::i64)).shape(), (Shape{0, 3, 8}));
    const Tensor y = model(zeros({1, 3}, Dtype::i64), {.lengths = zeros({1}, Dtype::i64)});
    EXPECT_EQ(count_nonzero(y == y).item(), 24) << "no NaN";
  }
}

TEST(Encoder, IsBuiltAnewFromItsConfiguration) {
  Rng rng(9);
  Encoder model(small({.layers = 3}), rng);
  model.stack.blocks[1].attention.keep_heads({1});
  Encoder rebuilt(model.configuration(), rng);
  rebuilt.load_state(model.state());
  const Tensor ids = rng.integers(0, 11, {2, 6});
  EXPECT_TRUE(same_bits(rebuilt(ids), model(ids)));
}

TEST(Encoder, ErrorsSayWhatWasWanted) {
  Rng rng(10);
  EXPECT_EQ(error_of([&] { Encoder(small({.tie_weights = true}), rng); }),
            "Encoder: wanted no tied weights, as it has no head");
  const Encoder model(small(), rng);
  EXPECT_EQ(error_of([&] {
              model(zeros({1, 8}, Dtype::i64));
            }),
            "Encoder: wanted at most 7 tokens, the context; got 8");
  EXPECT_EQ(error_of([&] { model(zeros({3}, Dtype::i64)); }),
            "Encoder: wanted ids i64 [B, T]; got i64[3]");
  EXPECT_EQ(error_of([&] {
              model(from_values<int64_t>({11}, {1, 1}));
            }),
            "embedding: wanted indices in [0, 11); got 11 at position 0 of [1, 1] (in tokens)");
  EXPECT_EQ(error_of([&] {
              model(zeros({1, 3}, Dtype::i64), {.lengths = from_values<int64_t>({4})});
            }),
            "attention: wanted lengths in [0, 3], the number of keys; got 4 (in "
            "blocks.0.attention)");
}

}  // namespace
}  // namespace rapt::nn
