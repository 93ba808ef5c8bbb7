// MultiHeadAttention::keep_heads: the layer without heads is the layer with those switched off, and
// is built anew from its options.

#include <gtest/gtest.h>

#include "../../reference/reference.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/attention/heads.h"
#include "rapt/nn/models/decoder_only.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;
using tests::same_bits;
using Options = MultiHeadAttentionOptions;
using Kind = AttentionPositions::Kind;

/// 1 for the heads that are kept.
Tensor mask_of(const std::vector<int64_t>& kept, int64_t heads) {
  Tensor mask = zeros({heads}, Dtype::f64);
  for (const int64_t head : kept) mask.mutable_data<double>()[head] = 1;
  return mask;
}

void expect_as_masked(const Options& options, const std::vector<int64_t>& kept) {
  Rng rng(1);
  MultiHeadAttention layer(options, rng);
  layer.to(Dtype::f64);
  for (const auto& [name, p] : layer.parameters()) {
    Tensor(p).copy_from(rng.normal(p.shape(), 0, 0.5, Dtype::f64));
  }
  const Tensor x = rng.normal({2, 7, options.width}, 0, 1, Dtype::f64);
  const AttendOptions how{.mask = Mask::causal()};
  Tensor masked;
  {
    const ForwardHook hook = mask_heads(layer, {{"", mask_of(kept, options.heads)}});
    masked = layer(x, how);
  }
  const MultiHeadAttention copy = layer;
  EXPECT_FALSE(close(layer(x, how), masked, 1e-3));
  layer.keep_heads(kept);
  EXPECT_TRUE(close(layer(x, how), masked, 1e-12));
  EXPECT_TRUE(same_bits(copy(x, how), layer(x, how))) << "copies are one layer";
  EXPECT_EQ(layer.kept_heads(), kept);
  EXPECT_EQ(layer.output.weight.size(1),
            static_cast<int64_t>(kept.size()) * layer.options().head_width);

  MultiHeadAttention rebuilt(layer.options(), rng);
  rebuilt.keep_heads(kept);
  rebuilt.to(Dtype::f64);
  rebuilt.load_parameters(layer.parameters());
  EXPECT_TRUE(same_bits(rebuilt(x, how), layer(x, how)));
  // It still trains.
  const Tensor y = layer(x, how);
  sum(y * reference::cotangent(y)).backward();
  for (const auto& [name, p] : layer.parameters()) EXPECT_EQ(p.grad().shape(), p.shape()) << name;
}

// Every score with every kind of position, grouped or not, with a sink, a gate and a norm.
TEST(KeepHeads, IsTheLayerWithTheOthersSwitchedOff) {
  const AttentionPositions positions[] = {{},
                                          AttentionPositions::rotary(),
                                          AttentionPositions::alibi(),
                                          AttentionPositions::relative_bias(8, 6),
                                          AttentionPositions::relative_keys(3)};
  for (const ScoreKind score : {ScoreKind::scaled_dot, ScoreKind::dot, ScoreKind::bilinear,
                                ScoreKind::additive, ScoreKind::cosine}) {
    for (const AttentionPositions& where : positions) {
      if (where.kind == Kind::relative_keys && score != ScoreKind::scaled_dot) continue;
      SCOPED_TRACE(
          text("score ", static_cast<int>(score), ", positions ", static_cast<int>(where.kind)));
      Options o{.width = 24, .heads = 6, .score = score, .positions = where};
      expect_as_masked(o, {1, 4});
      expect_as_masked(o, {5, 0, 2});  // in this order
      o.key_value_heads = 3;
      o.query_key_norm = NormKind::layer;
      o.window = 4;
      o.sink = true;
      o.gate = true;
      expect_as_masked(o, {2, 3});
      expect_as_masked(o, {4, 5, 0, 1});
      o.bias = false;
      expect_as_masked(o, {0, 1});
    }
  }
}

// All of them in another order is the same layer.
TEST(KeepHeads, InAnyOrder) {
  for (const AttentionPositions& where :
       {AttentionPositions{}, AttentionPositions::rotary(), AttentionPositions::alibi(),
        AttentionPositions::relative_bias(8, 6), AttentionPositions::relative_keys(3)}) {
    SCOPED_TRACE(static_cast<int>(where.kind));
    Rng rng(4);
    MultiHeadAttention layer({.width = 12, .heads = 3, .positions = where, .sink = true}, rng);
    layer.to(Dtype::f64);
    const Tensor x = rng.normal({2, 7, 12}, 0, 1, Dtype::f64), wanted = layer(x);
    layer.keep_heads({0, 1, 2});
    EXPECT_TRUE(layer.configuration().with_prefix("kept").empty());
    layer.keep_heads({2, 0, 1});
    EXPECT_TRUE(close(layer(x), wanted, 1e-12));
    layer.keep_heads({1, 2, 0});
    EXPECT_TRUE(close(layer(x), wanted, 1e-12));
    EXPECT_EQ(layer.kept_heads(), (std::vector<int64_t>{0, 1, 2}));
  }
}

TEST(KeepHeads, OfAModelThatIsBuiltAnew) {
  for (const AttentionPositions& where :
       {AttentionPositions{}, AttentionPositions::rotary(), AttentionPositions::alibi(),
        AttentionPositions::relative_bias(8, 6), AttentionPositions::relative_keys(3)}) {
    SCOPED_TRACE(static_cast<int>(where.kind));
    Rng rng(2);
    DecoderOnly model({.vocabulary = 9,
                       .context = 8,
                       .width = 16,
                       .layers = 3,
                       .block = {.attention = {.heads = 4,
                                               .key_value_heads = 2,
                                               .positions = where,
                                               .sink = true,
                                               .gate = true}},
                       .windows = {3, std::nullopt},
                       .stddev = 0.4},
                      rng);
    model.to(Dtype::f64);
    const Tensor ids = rng.integers(0, 9, {2, 8});
    const NamedTensors importance =
        head_importance(model, [&] { return cross_entropy(model(ids), ids).mean(); });
    ASSERT_EQ(importance.size(), 3u);
    const std::vector<std::vector<int64_t>> kept = {{2, 3}, {0, 1, 2, 3}, {0, 1}};
    NamedTensors masks;
    for (size_t i = 0; i < 3; ++i) {
      masks.add(text("blocks.", i, ".attention"), mask_of(kept[i], 4));
    }
    Tensor masked;
    {
      const ForwardHook hook = mask_heads(model, masks);
      masked = model(ids);
    }
    const int64_t before = model.parameter_count();
    for (size_t i = 0; i < 3; ++i) model.stack.blocks[i].attention.keep_heads(kept[i]);
    EXPECT_LT(model.parameter_count(), before);
    EXPECT_TRUE(close(model(ids), masked, 1e-12));
    // The parameters alone: their configuration says which heads are left, and so the slopes.
    const auto built_anew = [&](const DecoderOnly& from) {
      const NamedTensors weights = from.parameters();
      DecoderOnly rebuilt(weights.configuration(), rng);
      rebuilt.to(Dtype::f64);
      rebuilt.load_parameters(weights);
      EXPECT_TRUE(same_bits(rebuilt(ids), from(ids)));
      EXPECT_EQ(rebuilt.configuration(), from.configuration());
      return rebuilt;
    };
    DecoderOnly rebuilt = built_anew(model);
    // And pruned once more, by the numbers of the heads that are left.
    rebuilt.stack.blocks[0].attention.keep_heads({0, 1});
    rebuilt.stack.blocks[1].attention.keep_heads({2, 3});
    EXPECT_EQ(rebuilt.stack.blocks[0].attention.kept_heads(), (std::vector<int64_t>{2, 3}));
    const DecoderOnly again = built_anew(rebuilt);
    // A model with other heads refuses them.
    DecoderOnly whole(model.options(), rng);
    EXPECT_EQ(error_of([&] { whole.load_parameters(model.parameters()); }),
              "load_parameters: these are weights of another configuration; nothing was loaded\n"
              "  blocks.0.attention.kept_heads: wanted the default; got 2 3\n"
              "  blocks.2.attention.kept_heads: wanted the default; got 0 1");
  }
}

TEST(KeepHeads, ErrorsSayWhatWasWantedAndChangeNothing) {
  Rng rng(3);
  MultiHeadAttention layer({.width = 12, .heads = 4, .key_value_heads = 2}, rng);
  const Tensor x = rng.normal({1, 3, 12}), before = layer(x);
  using Heads = std::vector<int64_t>;
  for (const Heads& heads : {Heads{}, Heads{-1, 0}, Heads{0, 4}, Heads{1, 1}}) {
    EXPECT_EQ(error_of([&] { layer.keep_heads(heads); }),
              "keep_heads: wanted some of the heads 0 to 3, each once");
  }
  for (const Heads& heads : {Heads{1, 0}, Heads{0, 2}, Heads{1, 2}}) {
    EXPECT_EQ(error_of([&] { layer.keep_heads(heads); }),
              "keep_heads: wanted the 2 heads that share keys and values together, in their "
              "order");
  }
  EXPECT_EQ(error_of([&] {
              layer.keep_heads({2, 3, 0});
            }),
            "keep_heads: wanted the 2 heads that share keys and values together");
  EXPECT_TRUE(same_bits(layer(x), before));
}

}  // namespace
}  // namespace rapt::nn
