#pragma once

// What the lines of docs/attention.md work on, and what attention means, written out in plain ops.
// The lines stand in the tests beside this file, each between a comment with its name in brackets
// and [end]; tests/docs/attention_test.cpp holds the page to them.

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "../../support/definitions.h"
#include "../../support/inputs.h"
#include "rapt/rapt.h"

// The lines call their tensors x, q, k and v as the page does, wherever they stand.
#pragma GCC diagnostic ignored "-Wshadow"

namespace rapt::tests {

/// f64, with drawn parameters: what starts as 0 or 1 would hide mistakes.
template <class Layer>
Layer drawn(Layer layer) {
  layer.to(Dtype::f64);
  uint64_t seed = 70;
  for (const auto& [name, parameter] : layer.parameters()) {
    Tensor(parameter).copy_from(normal(parameter.shape(), ++seed) * 0.5);
  }
  return layer;
}

inline Tensor plain_linear(const nn::Linear& map, const Tensor& x) {
  const Tensor y = matmul(x, transpose(map.weight));
  return map.bias.defined() ? y + map.bias : y;
}

/// x [B, T, heads * d] -> [B, heads, T, d], a head at a time.
inline Tensor plain_split(const Tensor& x, int64_t heads) {
  const int64_t d = x.size(-1) / heads;
  Tensors parts;
  for (int64_t h = 0; h < heads; ++h) parts.push_back(slice(x, -1, h * d, (h + 1) * d));
  return stack(parts, 1);
}

inline Tensor plain_merge(const Tensor& y) { return concat(unbind(y, 1), -1); }

inline Tensor plain_scores(const Tensor& q, const Tensor& k) {
  return matmul(q, transpose(k)) / std::sqrt(static_cast<double>(q.size(-1)));
}

/// A layer of scaled dots without options; allowed b8, broadcast to [B, H, Tq, Tk].
inline Tensor plain_layer(const nn::MultiHeadAttention& layer, const Tensor& x,
                          const Tensor& memory, const Tensor& allowed = {}) {
  const int64_t heads = layer.options().heads;
  const Tensor q = plain_split(plain_linear(layer.query, x), heads);
  const Tensor k = plain_split(plain_linear(layer.key, memory), heads);
  const Tensor v = plain_split(plain_linear(layer.value, memory), heads);
  const Tensor y = matmul(plain_softmax(plain_scores(q, k), allowed), v);
  return plain_linear(layer.output, plain_merge(y));
}

inline Tensor plain_layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Tensor centred = x - mean(x, -1, {.keepdim = true});
  return centred / sqrt(mean(centred * centred, -1, {.keepdim = true}) + 1e-5) * weight + bias;
}

inline Tensor plain_norm(const nn::Norm& norm, const Tensor& x) {
  return plain_layer_norm(x, norm.weight, norm.bias);
}

/// GPT-2's gelu, written out.
inline Tensor plain_gelu(const Tensor& x) {
  return 0.5 * x * (1 + tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
}

inline Tensor plain_feed_forward(const nn::FeedForward& f, const Tensor& x) {
  return plain_linear(f.down, plain_gelu(plain_linear(f.up, x)));
}

/// i64 [queries, keys]: the place of the key less that of the query.
inline Tensor plain_distances(int64_t queries, int64_t keys) {
  return unsqueeze(arange(keys), 0) - unsqueeze(arange(queries), 1);
}

/// The same value, and the same gradients at these leaves.
inline void expect_same(const Tensor& y, const Tensor& wanted, const Tensors& leaves = {}) {
  EXPECT_TRUE(close(y, wanted, 1e-10));
  if (leaves.empty() || y.shape() != wanted.shape()) return;
  const Tensor g = normal(y.shape(), 5);
  const Tensors found = grad({y}, leaves, {.retain_graph = true, .cotangents = {g}});
  const Tensors expected = grad({wanted}, leaves, {.retain_graph = true, .cotangents = {g}});
  for (size_t i = 0; i < leaves.size(); ++i) {
    EXPECT_TRUE(close(found[i], expected[i], 1e-9)) << "gradient " << i;
  }
}

/// A layer of attention and what goes in.
class AttentionLines : public ::testing::Test {
 protected:
  /// The heads' queries, keys and values by the layer's maps: [B, H, T, d].
  Tensor q_of(const Tensor& t) const { return plain_split(plain_linear(layer.query, t), heads); }
  Tensor k_of(const Tensor& t) const { return plain_split(plain_linear(layer.key, t), heads); }
  Tensor v_of(const Tensor& t) const { return plain_split(plain_linear(layer.value, t), heads); }

  /// weights v, for weights of any kind.
  Tensor weighed(const Tensor& weights) const { return matmul(weights, v); }

  static constexpr int64_t batch = 2, length = 7, width = 16, heads = 4, head_width = 4;
  Rng rng = Rng(1);
  const nn::MultiHeadAttention layer =
      drawn(nn::MultiHeadAttention({.width = width, .heads = heads}, rng));
  const Tensor x = normal({batch, length, width}, 2).set_requires_grad();
  const Tensor q = q_of(x), k = k_of(x), v = v_of(x);
  const Tensor causal = plain_causal(length, length);
  const Mask mask = Mask::causal();
};

/// A layer made with these options, f64 and drawn.
inline nn::MultiHeadAttention layer_of(const nn::MultiHeadAttentionOptions& options) {
  Rng rng(3);
  return drawn(nn::MultiHeadAttention(options, rng));
}

}  // namespace rapt::tests
