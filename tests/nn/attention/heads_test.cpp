// What heads look at, which of them matter, how alike they are; and hooks on them.

#include "rapt/nn/attention/heads.h"

#include <gtest/gtest.h>

#include "../../reference/reference.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/models/decoder_only.h"
#include "rapt/nn/models/encoder_decoder.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;
using tests::normal;
using tests::same_bits;
using Names = std::vector<std::string>;

TransformerOptions small() {
  return {.vocabulary = 7,
          .context = 6,
          .width = 12,
          .layers = 2,
          .block = {.attention = {.heads = 4}, .feed_forward = {.hidden = 8}},
          .stddev = 0.4};
}

const Tensor ids = from_values<int64_t>({1, 2, 3, 4, 5, 6, 0, 2, 2, 1}, {2, 5});

DecoderOnly model_of(const TransformerOptions& options) {
  Rng rng(1);
  DecoderOnly model(options, rng);
  model.to(Dtype::f64);
  return model;
}

// ---- what they look at -------------------------------------------------------------------------

TEST(AttentionMaps, AreTheWeightsOfEachLayer) {
  Rng rng(2);
  for (const int64_t shared : {4, 2, 1}) {
    const MultiHeadAttention layer(
        {.width = 12, .heads = 4, .key_value_heads = shared, .dropout = 0.5, .sink = true}, rng);
    const Tensor x = rng.normal({2, 5, 12}), memory = rng.normal({2, 3, 12});
    Tensor own, cross;
    layer(x, {.mask = Mask::causal(), .weights = &own});
    layer(x, memory, {.weights = &cross});
    EXPECT_EQ(own.shape(), (Shape{2, 4, 5, 5}));
    const NamedTensors maps = attention_maps(layer, [&] { layer(x, {.mask = Mask::causal()}); });
    EXPECT_EQ(reference::names(maps), Names{""});
    EXPECT_TRUE(same_bits(maps[""], own)) << "before dropout";
    // Of several calls the last.
    EXPECT_TRUE(same_bits(attention_maps(layer,
                                         [&] {
                                           layer(x);
                                           layer(x, memory);
                                         })[""],
                          cross));
    EXPECT_TRUE(attention_maps(layer, [] {}).empty());
  }
}

TEST(AttentionMaps, GoByTheLayersPaths) {
  Rng rng(3);
  const EncoderDecoder model({.source = {.vocabulary = 7, .context = 6},
                              .target = {.vocabulary = 7, .context = 6},
                              .width = 12,
                              .layers = 1},
                             rng);
  const Tensor target = slice(ids, 1, 0, 3);
  const NamedTensors maps = attention_maps(model, [&] { model(ids, target); });
  EXPECT_EQ(reference::names(maps),
            (Names{"encoder.blocks.0.attention", "decoder.blocks.0.attention",
                   "decoder.blocks.0.cross_attention"}));
  EXPECT_EQ(maps["decoder.blocks.0.cross_attention"].shape(), (Shape{2, 4, 3, 5}));
}

TEST(AttentionEntropy, IsItsDefinition) {
  const Tensor w = from_values<double>({1, 0, 0, 0.25, 0.25, 0.5, 0, 0, 0}, {3, 3});
  const double entropy = 0.5 * std::log(4.0) + 0.5 * std::log(2.0);
  EXPECT_TRUE(close(attention_entropy(w), from_values<double>({0, entropy, 0}), 1e-15));
  EXPECT_TRUE(close(attention_entropy(full({2, 8}, 0.125)), full({2}, std::log(8.0)), 1e-6));
  EXPECT_EQ(attention_entropy(ones({2, 3, 0})).str(), "f32[2, 3] {{0, 0, 0}, {0, 0, 0}}");
  const auto report = check_gradients(
      [](const Tensors& in) { return attention_entropy(softmax(in[0], -1)); }, {normal({2, 4}, 5)});
  EXPECT_TRUE(report) << report.text;
  EXPECT_EQ(error_of([] { attention_entropy({}); }), "attention_entropy: wanted weights [..., Tk]");
  EXPECT_EQ(error_of([] { attention_entropy(ones({})); }),
            "attention_entropy: wanted weights [..., Tk]");
}

/// 1 - JS(p, q) / log 2.
double similarity(const std::vector<double>& p, const std::vector<double>& q) {
  double divergence = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double m = (p[i] + q[i]) / 2;
    if (p[i] > 0) divergence += p[i] * std::log(p[i] / m) / 2;
    if (q[i] > 0) divergence += q[i] * std::log(q[i] / m) / 2;
  }
  return 1 - divergence / std::log(2.0);
}

TEST(HeadSimilarity, IsItsDefinition) {
  // Queries that may attend to nothing do not count: two of the second sequence, and one of the
  // first for one head alone.
  const auto attends = [](int64_t b, int64_t h, int64_t t) {
    return b == 0 ? h != 2 || t != 3 : t >= 2;
  };
  std::vector<bool> silent;
  for (int64_t i = 0; i < 24; ++i) silent.push_back(!attends(i / 12, i / 4 % 3, i % 4));
  const Tensor w =
      masked_fill(softmax(normal({2, 3, 4, 5}, 6) * 3.0, -1), from_values(silent, {2, 3, 4, 1}), 0);
  const Tensor found = head_similarity(w);
  ASSERT_EQ(found.shape(), (Shape{3, 3}));
  for (int64_t g = 0; g < 3; ++g) {
    EXPECT_NEAR(found[g][g].item(), 1, 1e-12);
    for (int64_t h = 0; h < 3; ++h) {
      double total = 0, count = 0;
      for (int64_t b = 0; b < 2; ++b) {
        for (int64_t t = 0; t < 4; ++t) {
          if (!attends(b, g, t) || !attends(b, h, t)) continue;
          ++count;
          total += similarity(w[b][g][t].values<double>(), w[b][h][t].values<double>());
        }
      }
      EXPECT_NEAR(found[g][h].item(), total / count, 1e-12);
    }
  }
  // Two that share no key.
  const Tensor apart = from_values<double>({1, 0, 0, 1}, {1, 2, 1, 2});
  EXPECT_TRUE(close(head_similarity(apart), from_values<double>({1, 0, 0, 1}, {2, 2}), 1e-15));
  EXPECT_EQ(error_of([] {
              head_similarity(ones({2, 3, 4}));
            }),
            "head_similarity: wanted weights [B, H, Tq, Tk]; got [2, 3, 4]");
  EXPECT_EQ(error_of([] { head_similarity({}); }),
            "head_similarity: wanted weights [B, H, Tq, Tk]; got an undefined tensor");
}

// ---- which of them matter ----------------------------------------------------------------------

TEST(HeadImportance, IsTheSlopeOfAMaskOnTheHead) {
  for (const bool recompute : {false, true}) {
    TransformerOptions options = small();
    options.recompute = recompute;
    options.block.attention.key_value_heads = 2;
    options.block.attention.gate = true;
    const DecoderOnly model = model_of(options);
    const auto loss = [&] { return cross_entropy(model(ids), ids).mean(); };
    loss().backward();
    NamedTensors before;
    for (const auto& [name, p] : model.parameters()) before.add(name, p.grad().clone());
    const NamedTensors importance = head_importance(model, loss);
    ASSERT_EQ(reference::names(importance), (Names{"blocks.0.attention", "blocks.1.attention"}));
    for (const auto& [name, p] : model.parameters()) {
      EXPECT_TRUE(same_bits(p.grad(), before[name])) << name;
    }
    const auto with = [&](const std::string& layer, int64_t head, double factor) {
      Tensor mask = ones({4}, Dtype::f64);
      mask.mutable_data<double>()[head] = factor;
      const ForwardHook hook = mask_heads(model, {{layer, mask}});
      return loss().item();
    };
    for (const auto& [layer, values] : importance) {
      ASSERT_EQ(values.shape(), Shape{4});
      for (int64_t h = 0; h < 4; ++h) {
        const double slope = (with(layer, h, 1 + 1e-5) - with(layer, h, 1 - 1e-5)) / 2e-5;
        EXPECT_GT(values[h].item(), 1e-7);
        EXPECT_NEAR(values[h].item(), std::abs(slope), 1e-9) << layer << " " << h;
      }
    }
  }
}

TEST(HeadImportance, WantsAttention) {
  const DecoderOnly model = model_of(small());
  EXPECT_EQ(error_of([&] { head_importance(model, [] { return ones({}); }); }),
            "head_importance: wanted a loss of a model with attention; none was called");
}

TEST(MostImportantHeads, LeavesOneInEachLayer) {
  const NamedTensors importance{{"a", from_values<float>({0.1F, 0.5F, 0.3F})},
                                {"b", from_values<float>({0.05F, 0.02F})}};
  using Heads = std::vector<std::vector<int64_t>>;
  EXPECT_EQ(most_important_heads(importance, 0), (Heads{{0, 1, 2}, {0, 1}}));
  EXPECT_EQ(most_important_heads(importance, 1), (Heads{{0, 1, 2}, {0}}));
  EXPECT_EQ(most_important_heads(importance, 2), (Heads{{1, 2}, {0}}));
  EXPECT_EQ(most_important_heads(importance, 3), (Heads{{1}, {0}}));
  for (const int64_t count : {-1, 4}) {
    EXPECT_EQ(error_of([&] { most_important_heads(importance, count); }),
              text("most_important_heads: wanted a count in [0, 3], so that a head is left in "
                   "each of 2 layers; got ",
                   count));
  }
  EXPECT_EQ(error_of([&] {
              most_important_heads({{"a", ones({2, 2})}}, 1);
            }),
            "most_important_heads: wanted importances [H] of a; got [2, 2]");
}

TEST(MaskHeads, SwitchesOffWhatAHeadGives) {
  Rng rng(7);
  const MultiHeadAttention layer({.width = 12, .heads = 4, .key_value_heads = 2}, rng);
  const Tensor x = rng.normal({2, 5, 12});
  const Tensor mask = from_values<float>({1, 0, 0.5F, 0});
  Tensor given;
  {
    const ForwardHook hook(layer, [&](const LayerCall& call) {
      if (call.path == "heads") given = call.output;
      return Tensor();
    });
    layer(x);
  }
  const Tensor scaled = transpose(given * reshape(mask, {4, 1, 1}), 1, 2);
  const Tensor wanted = layer.output(reshape(scaled, {2, 5, 12}));
  Tensor found;
  {
    const ForwardHook hook = mask_heads(layer, {{"", mask}});
    found = layer(x);
    const ForwardHook wrong = mask_heads(layer, {{"", ones({3})}});
    EXPECT_EQ(error_of([&] { layer(x); }), "mask_heads: wanted a mask [4] for the layer; got [3]");
  }
  EXPECT_TRUE(close(found, wanted, 1e-6));
  EXPECT_FALSE(close(layer(x), wanted, 1e-3));
}

TEST(MaskHeads, WantsPathsOfAttention) {
  const DecoderOnly model = model_of(small());
  for (const char* path : {"blocks.2.attention", "blocks.0", "blocks.0.attention.heads", ""}) {
    EXPECT_EQ(error_of([&] {
                const ForwardHook hook = mask_heads(model, {{path, ones({4})}});
              }),
              text("mask_heads: wanted paths of layers of attention; got \"", path,
                   "\"; there are blocks.0.attention, blocks.1.attention"));
  }
}

// ---- hooks -------------------------------------------------------------------------------------

/// y and the gradients of x, of the parameters and of `more`.
Tensors results(const MultiHeadAttention& layer, const Tensor& x, const Tensor& y,
                const Tensors& more) {
  Tensors leaves = {x};
  for (const auto& [name, p] : layer.parameters()) leaves.push_back(p);
  for (const Tensor& leaf : more) leaves.push_back(leaf);
  const Tensors gradients =
      grad({y}, leaves, {.allow_unused = true, .cotangents = {reference::cotangent(y)}});
  Tensors out = {y};
  for (const Tensor& gradient : gradients) out.push_back(gradient);
  return out;
}

Tensor columns_of_head(const Tensor& x, int64_t head, int64_t width) {
  return slice(x, -1, head * width, (head + 1) * width);
}

// What a hook puts in the place of the weights, of the layer's or of its own making.
TEST(HeadHooks, ReplaceWeights) {
  for (const int64_t shared : {4, 2, 1}) {
    Rng rng(8);
    MultiHeadAttention layer({.width = 12, .heads = 4, .key_value_heads = shared}, rng);
    layer.to(Dtype::f64);
    const Tensor x = normal({2, 5, 12}, 9).set_requires_grad();
    const Tensor shift = softmax(normal({4, 5, 5}, 10), -1).detach().set_requires_grad();
    Tensor y;
    {
      const ForwardHook hook(layer,
                             [&](const LayerCall& call) {
                               return call.path == "weights" ? call.output * 0.5 + shift * 0.5
                                                             : Tensor();
                             },
                             {.attention_weights = true});
      y = layer(x, {.mask = Mask::causal()});
    }
    Tensor own;
    layer(x, {.mask = Mask::causal(), .weights = &own});
    const Tensor mixed = own * 0.5 + shift * 0.5, v = layer.value(x);
    Tensors heads;
    for (int64_t h = 0; h < 4; ++h) {
      heads.push_back(matmul(select(mixed, 1, h), columns_of_head(v, h / (4 / shared), 3)));
    }
    const Tensors found = results(layer, x, y, {shift});
    const Tensors wanted = results(layer, x, layer.output(concat(heads, -1)), {shift});
    for (size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_TRUE(close(found[i], wanted[i], 1e-10)) << i;
    }
    EXPECT_GT(max(abs(found.back())).item(), 1e-3);
  }
}

TEST(HeadHooks, ReplaceHeads) {
  Rng rng(11);
  MultiHeadAttention layer({.width = 12, .heads = 4, .key_value_heads = 2, .gate = true}, rng);
  layer.to(Dtype::f64);
  const Tensor x = normal({2, 5, 12}, 12).set_requires_grad();
  const Tensor other = normal({2, 4, 5, 3}, 13).set_requires_grad();
  Tensor y, own;
  {
    const ForwardHook hook(layer, [&](const LayerCall& call) {
      if (call.path != "heads") return Tensor();
      own = call.output;
      return call.output + other;
    });
    y = layer(x);
  }
  EXPECT_EQ(own.shape(), (Shape{2, 4, 5, 3}));
  const Tensor joined = reshape(transpose(own + other, 1, 2), {2, 5, 12});
  const Tensor wanted_y = layer.output(joined * sigmoid((*layer.gate)(x)));
  Tensors leaves = {x, other};
  for (const auto& [name, p] : layer.parameters()) leaves.push_back(p);
  const GradOptions how{.retain_graph = true, .cotangents = {reference::cotangent(y)}};
  const Tensors found = grad({y}, leaves, how), wanted = grad({wanted_y}, leaves, how);
  EXPECT_TRUE(close(y, wanted_y, 1e-12));
  for (size_t i = 0; i < leaves.size(); ++i) EXPECT_TRUE(close(found[i], wanted[i], 1e-10)) << i;
}

// What drops out of weights also drops out of those that a hook puts in their place.
TEST(HeadHooks, ReplacedWeightsDropOut) {
  Rng rng(14);
  MultiHeadAttention layer({.width = 12, .heads = 4, .dropout = 0.5}, rng);
  const Tensor x = rng.normal({2, 5, 12});
  const ForwardHook hook(
      layer,
      [](const LayerCall& call) { return call.path == "weights" ? call.output * 1.0 : Tensor(); },
      {.attention_weights = true});
  EXPECT_FALSE(close(layer(x), layer(x), 1e-3));
  layer.eval();
  EXPECT_TRUE(same_bits(layer(x), layer(x)));
}

TEST(HeadHooks, WhoOnlyLooksChangesNoBit) {
  for (const ScoreKind score :
       {ScoreKind::scaled_dot, ScoreKind::bilinear, ScoreKind::additive, ScoreKind::cosine}) {
    for (const bool weights : {false, true}) {
      TransformerOptions options = small();
      options.dropout = 0.2;
      options.block.attention.score = score;
      options.block.attention.key_value_heads = 2;
      options.block.attention.sink = true;
      options.block.attention.gate = true;
      const auto run = [&](bool watched) {
        Rng rng(15);
        const DecoderOnly model(options, rng);
        std::unique_ptr<ForwardHook> hook;
        if (watched) {
          hook = std::make_unique<ForwardHook>(
              model, [](const LayerCall&) { return Tensor(); },
              ForwardHookOptions{.attention_weights = weights});
        }
        const Tensor y = model(ids);
        sum(y * reference::cotangent(y)).backward();
        NamedTensors out{{"y", y.detach()}};
        for (const auto& [name, p] : model.parameters()) out.add(name, p.grad());
        out.add_all("state.", model.state());
        return out;
      };
      const NamedTensors plain = run(false), watched = run(true);
      for (const auto& [name, tensor] : plain) {
        EXPECT_TRUE(same_bits(watched[name], tensor)) << name;
      }
    }
  }
}

}  // namespace
}  // namespace rapt::nn
