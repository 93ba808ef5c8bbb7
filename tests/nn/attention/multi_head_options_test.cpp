// Every option of MultiHeadAttention, against the layer written out head by head in plain ops.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "../../reference/reference.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/attention/multi_head.h"
#include "rapt/nn/position/alibi.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;
using tests::normal;
using Options = MultiHeadAttentionOptions;
using Kind = AttentionPositions::Kind;

/// The h-th head's columns of a map's result.
Tensor columns(const Tensor& x, int64_t h, int64_t width) {
  return slice(x, -1, h * width, (h + 1) * width);
}

Tensor unit(const Tensor& x) { return x / sqrt(sum(x * x, -1, {.keepdim = true})); }

/// The scores of head h: q [B, Tq, d], k [B, Tk, d] -> [B, Tq, Tk].
Tensor plain_scores(const MultiHeadAttention& layer, int64_t h, const Tensor& q, const Tensor& k) {
  const auto d = static_cast<double>(q.size(-1));
  const Tensor& w = layer.score_weight;
  switch (layer.options().score) {
    case ScoreKind::scaled_dot:
      return matmul(q, transpose(k)) / std::sqrt(d);
    case ScoreKind::dot:
      return matmul(q, transpose(k));
    case ScoreKind::bilinear:
      return matmul(matmul(q, w[h]), transpose(k));
    case ScoreKind::additive:
      return sum(tanh(unsqueeze(q, 2) + unsqueeze(k, 1)) * w[h], -1);
    case ScoreKind::cosine:
      return matmul(unit(q), transpose(unit(k))) * w[h];
  }
  return {};
}

/// What positions add to the scores of head h, [Tq, Tk] or [B, Tq, Tk]; undefined for none.
Tensor plain_bias(const MultiHeadAttention& layer, int64_t h, const Tensor& q, int64_t keys) {
  const int64_t queries = q.size(1);
  const Tensor distance = unsqueeze(arange(keys), 0) - unsqueeze(arange(queries), 1);
  switch (layer.options().positions.kind) {
    case Kind::none:
    case Kind::rotary:
      return {};
    case Kind::alibi:
      return abs(distance).to(q.dtype()) * -alibi_slopes(layer.options().heads, q.dtype())[h];
    case Kind::relative_bias: {
      const Tensor all = (*layer.relative_bias)(queries, keys);
      return reshape(index_select(all[h], 0, reshape(distance + (queries - 1), {-1})),
                     {queries, keys});
    }
    case Kind::relative_keys: {
      const int64_t most = layer.options().positions.max_distance;
      const Tensor vectors =
          embedding(layer.relative_keys->weight, clamp(distance, -most, most) + most);
      return sum(unsqueeze(q, 2) * vectors, -1) / std::sqrt(static_cast<double>(q.size(-1)));
    }
  }
  return {};
}

/// The layer by its definition; allowed b8 [T, T].
Tensor by_definition(const MultiHeadAttention& layer, const Tensor& x, const Tensor& allowed) {
  const Options& o = layer.options();
  const auto map = [](const Linear& m, const Tensor& t) {
    const Tensor y = matmul(t, transpose(m.weight));
    return m.bias.defined() ? y + m.bias : y;
  };
  const Tensor all_q = map(layer.query, x), all_k = map(layer.key, x), all_v = map(layer.value, x);
  Tensors heads;
  for (int64_t h = 0; h < o.heads; ++h) {
    const int64_t shared = h / (o.heads / o.key_value_heads);
    Tensor q = columns(all_q, h, o.head_width), k = columns(all_k, shared, o.head_width);
    if (o.query_key_norm) {
      q = (*layer.query_norm)(q);
      k = (*layer.key_norm)(k);
    }
    if (o.positions.kind == Kind::rotary) {
      q = rotary(q, o.positions.rotary_options);
      k = rotary(k, o.positions.rotary_options);
    }
    Tensor scores = plain_scores(layer, h, q, k);
    if (o.soft_cap) scores = *o.soft_cap * tanh(scores / *o.soft_cap);
    if (const Tensor bias = plain_bias(layer, h, q, k.size(1)); bias.defined()) {
      scores = scores + bias;
    }
    Tensor may = allowed;
    if (o.window) {
      const Tensor distance = unsqueeze(arange(k.size(1)), 0) - unsqueeze(arange(q.size(1)), 1);
      may = logical_and(may, abs(distance) <= *o.window);
    }
    const Tensor e = exp(scores) * may.to(scores.dtype());
    Tensor total = sum(e, -1, {.keepdim = true});
    if (o.sink) total = total + exp(layer.sink[h]);
    heads.push_back(matmul(e / total, columns(all_v, shared, o.head_width)));
  }
  const Tensor joined = concat(heads, -1);
  return map(layer.output, o.gate ? joined / (1.0 + exp(-map(*layer.gate, x))) : joined);
}

/// Values and gradients of every parameter, with drawn parameters.
void expect_by_definition(const char* what, const Options& options) {
  SCOPED_TRACE(what);
  Rng rng(3);
  MultiHeadAttention layer(options, rng);
  layer.to(Dtype::f64);
  uint64_t seed = 20;
  for (const auto& [name, p] : layer.parameters()) {
    Tensor parameter = p;
    parameter.copy_from(normal(p.shape(), ++seed) * 0.5);
  }
  const Tensor x = normal({2, 9, options.width}, 4).set_requires_grad();
  const Tensor causal = Mask::causal().allowed({}, 9, 9);
  const Tensor y = layer(x, {.mask = Mask::causal()}), wanted = by_definition(layer, x, causal);
  EXPECT_TRUE(close(y, wanted, 1e-10));
  Tensors leaves = {x};
  for (const auto& [name, p] : layer.parameters()) leaves.push_back(p);
  const Tensor g = normal(y.shape(), 5);
  const Tensors found = grad({y}, leaves, {.cotangents = {g}});
  const Tensors expected = grad({wanted}, leaves, {.cotangents = {g}});
  for (size_t i = 0; i < leaves.size(); ++i) EXPECT_TRUE(close(found[i], expected[i], 1e-9)) << i;
}

Options small() { return {.width = 12, .heads = 4}; }

TEST(MultiHeadOptions, EachIsItsDefinition) {
  const auto with = [](auto change) {
    Options o = small();
    change(o);
    return o;
  };
  expect_by_definition("plain", small());
  expect_by_definition("grouped", with([](Options& o) { o.key_value_heads = 2; }));
  expect_by_definition("multi-query", with([](Options& o) { o.key_value_heads = 1; }));
  expect_by_definition("wide heads", with([](Options& o) { o.head_width = 5; }));
  expect_by_definition("without bias", with([](Options& o) { o.bias = false; }));
  expect_by_definition("norm", with([](Options& o) { o.query_key_norm = NormKind::rms; }));
  expect_by_definition("layer norm", with([](Options& o) { o.query_key_norm = NormKind::layer; }));
  expect_by_definition("cap", with([](Options& o) { o.soft_cap = 1.5; }));
  expect_by_definition("window", with([](Options& o) { o.window = 2; }));
  expect_by_definition("sink", with([](Options& o) { o.sink = true; }));
  expect_by_definition("gate", with([](Options& o) { o.gate = true; }));
}

// Every score with every kind of position, grouped, with a norm, a window, a sink and a gate.
TEST(MultiHeadOptions, CrossedTheyAreTheirDefinition) {
  const AttentionPositions positions[] = {
      {},
      AttentionPositions::rotary({.base = 100, .pairs = RotaryPairs::halves, .width = 2}),
      AttentionPositions::alibi(),
      AttentionPositions::relative_bias(8, 6),
      AttentionPositions::relative_keys(3)};
  for (const ScoreKind score : {ScoreKind::scaled_dot, ScoreKind::dot, ScoreKind::bilinear,
                                ScoreKind::additive, ScoreKind::cosine}) {
    for (const AttentionPositions& where : positions) {
      if (where.kind == Kind::relative_keys && score != ScoreKind::scaled_dot) continue;
      SCOPED_TRACE(
          text("score ", static_cast<int>(score), ", positions ", static_cast<int>(where.kind)));
      Options o = small();
      o.key_value_heads = 2;
      o.score = score;
      o.positions = where;
      expect_by_definition("alone", o);
      o.query_key_norm = NormKind::rms;
      o.window = 3;
      o.sink = true;
      o.gate = true;
      expect_by_definition("with all", o);
    }
  }
}

TEST(MultiHeadOptions, NameTheirParameters) {
  Rng rng(1);
  const MultiHeadAttention layer({.width = 8,
                                  .heads = 4,
                                  .key_value_heads = 2,
                                  .score = ScoreKind::bilinear,
                                  .query_key_norm = NormKind::rms,
                                  .positions = AttentionPositions::relative_bias(),
                                  .sink = true,
                                  .gate = true},
                                 rng);
  EXPECT_EQ(
      reference::names(layer.parameters()),
      (std::vector<std::string>{"query.weight", "query.bias", "key.weight", "key.bias",
                                "value.weight", "value.bias", "output.weight", "output.bias",
                                "query_norm.weight", "key_norm.weight", "relative_bias.weight",
                                "gate.weight", "gate.bias", "score_weight", "sink"}));
  EXPECT_EQ(layer.key.weight.shape(), (Shape{4, 8}));
  EXPECT_EQ(layer.score_weight.shape(), (Shape{4, 2, 2}));
}

TEST(MultiHeadOptions, ErrorsSayWhatWasWanted) {
  const auto with = [](const Options& o) {
    return error_of([&] {
      Rng rng(1);
      MultiHeadAttention(o, rng);
    });
  };
  EXPECT_EQ(with({.width = 8, .heads = 4, .key_value_heads = 3}),
            "MultiHeadAttention: wanted heads that are divisible by key_value_heads; got 4 and 3");
  EXPECT_EQ(with({.width = 8, .heads = 4, .window = -1}),
            "MultiHeadAttention: wanted a window >= 0; got -1");
  EXPECT_EQ(with({.width = 8, .heads = 4, .score = ScoreKind::additive, .soft_cap = 3}),
            "MultiHeadAttention: wanted a soft_cap with a score that is a product; got an additive "
            "or cosine one");
  EXPECT_EQ(with({.width = 8,
                  .heads = 4,
                  .score = ScoreKind::dot,
                  .positions = AttentionPositions::relative_keys()}),
            "MultiHeadAttention: wanted the scaled dot with relative_keys, which are added to the "
            "keys");
  EXPECT_EQ(with({.width = 8, .heads = 4, .positions = AttentionPositions::rotary({.offset = 3})}),
            "MultiHeadAttention: wanted rotary options without places, which come from the call");
}

}  // namespace
}  // namespace rapt::nn
