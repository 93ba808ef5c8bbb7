// The lines of docs/attention.md about heads, each against its definition in plain ops.

#include "lines.h"

namespace rapt::tests {
namespace {

using HeadLines = AttentionLines;

TEST_F(HeadLines, AnAttentionOfYourOwn) {
  const auto mine = [&](const Tensor& x) {
    // [an-attention-of-your-own]
    const Tensor q = nn::split_heads(layer.query(x), heads);  // [B, H, T, d]
    const Tensor k = nn::split_heads(layer.key(x), heads);
    const Tensor v = nn::split_heads(layer.value(x), heads);
    return layer.output(nn::merge_heads(attention(q, k, v, {.mask = mask})));
    // [end]
  };
  expect_same(mine(x), plain_layer(layer, x, x, causal), {x, layer.key.weight});
}

TEST_F(HeadLines, FlashAttention) {
  // [flash-attention]
  const Tensor y = attention(q, k, v, {.mask = mask});
  // [end]
  expect_same(y, weighed(plain_softmax(plain_scores(q, k), causal)), {x});
}

/// Of a layer with so many heads of keys and values.
void expect_grouped(const nn::MultiHeadAttentionOptions& options, int64_t shared, const Tensor& x) {
  const nn::MultiHeadAttention layer = layer_of(options);
  EXPECT_EQ(layer.key.weight.size(0), shared * 4);
  const Tensor q = plain_split(plain_linear(layer.query, x), options.heads);
  const Tensor k = plain_split(plain_linear(layer.key, x), shared);
  const Tensor v = plain_split(plain_linear(layer.value, x), shared);
  Tensors parts;
  for (int64_t h = 0; h < options.heads; ++h) {
    const int64_t g = h / (options.heads / shared);
    const Tensor scores = plain_scores(select(q, 1, h), select(k, 1, g));
    parts.push_back(matmul(plain_softmax(scores), select(v, 1, g)));
  }
  expect_same(layer(x), plain_linear(layer.output, concat(parts, -1)), {x});
}

TEST_F(HeadLines, MultiQuery) {
  // [multi-query]
  const nn::MultiHeadAttentionOptions options{.width = 16, .heads = 4, .key_value_heads = 1};
  // [end]
  expect_grouped(options, 1, x);
}

TEST_F(HeadLines, GroupedQuery) {
  // [grouped-query]
  const nn::MultiHeadAttentionOptions options{.width = 16, .heads = 4, .key_value_heads = 2};
  // [end]
  expect_grouped(options, 2, x);
}

TEST_F(HeadLines, WidthOfAHead) {
  // [width-of-a-head]
  const nn::MultiHeadAttentionOptions options{.width = 16, .heads = 4, .head_width = 3};
  // [end]
  const nn::MultiHeadAttention wide = layer_of(options);
  EXPECT_EQ(wide.query.weight.shape(), (Shape{12, 16}));
  expect_same(wide(x), plain_layer(wide, x, x), {x});
}

TEST_F(HeadLines, TalkingHeads) {
  const Tensor pre = normal({4, 4}, 11).set_requires_grad(), post = normal({4, 4}, 12);
  // [talking-heads]
  const Score talking = Score().then([&](const Tensor& s, const AttentionBlock&) {
    return einsum("gh,bhij->bgij", {pre, s});
  });
  const Tensor w = attention_weights(q, k, {.mask = mask, .score = talking});
  const Tensor y = matmul(einsum("gh,bhij->bgij", {post, w}), v);
  // [end]
  const Tensor scores = plain_scores(q, k);
  const auto mixed = [](const Tensor& by, const Tensor& s) {  // a head at a time
    Tensors all;
    for (int64_t g = 0; g < heads; ++g) {
      Tensor one = zeros({batch, length, length}, Dtype::f64);
      for (int64_t h = 0; h < heads; ++h) one = one + by[g][h] * select(s, 1, h);
      all.push_back(one);
    }
    return stack(all, 1);
  };
  const Tensor wanted = weighed(mixed(post, plain_softmax(mixed(pre, scores), causal)));
  expect_same(y, wanted, {x, pre});
}

TEST_F(HeadLines, ScaleOfAHead) {
  const Tensor head_scale = normal({4, 1, 1}, 11).set_requires_grad();
  // [scale-of-a-head]
  const Tensor y = attention(q, k, v, {.mask = mask}) * head_scale;
  // [end]
  const Tensor plain = weighed(plain_softmax(plain_scores(q, k), causal));
  Tensors scaled;
  for (int64_t h = 0; h < heads; ++h) {
    scaled.push_back(select(plain, 1, h) * select(head_scale, 0, h));
  }
  expect_same(y, stack(scaled, 1), {x, head_scale});
}

TEST_F(HeadLines, GatedValues) {
  // [gated-values]
  const nn::MultiHeadAttentionOptions options{.width = 16, .heads = 4, .gate = true};
  // [end]
  const nn::MultiHeadAttention gated = layer_of(options);
  const Tensor w = plain_softmax(plain_scores(plain_split(plain_linear(gated.query, x), heads),
                                              plain_split(plain_linear(gated.key, x), heads)));
  const Tensor found = plain_merge(matmul(w, plain_split(plain_linear(gated.value, x), heads)));
  const Tensor open = 1 / (1 + exp(-plain_linear(*gated.gate, x)));
  expect_same(gated(x), plain_linear(gated.output, found * open), {x});
}

TEST_F(HeadLines, AttentionOnAttention) {
  const nn::Linear gate = drawn(nn::Linear(2 * width, width, rng));
  const nn::Linear information = drawn(nn::Linear(2 * width, width, rng));
  // [attention-on-attention]
  const Tensor found = concat({layer(x, {.mask = mask}), x}, -1);  // and what was asked
  const Tensor y = sigmoid(gate(found)) * information(found);
  // [end]
  const Tensor both = concat({plain_layer(layer, x, x, causal), x}, -1);
  const Tensor open = 1 / (1 + exp(-plain_linear(gate, both)));
  expect_same(y, open * plain_linear(information, both), {x, gate.weight});
}

TEST_F(HeadLines, ValueResidual) {
  // [value-residual]
  const nn::MultiHeadAttentionOptions options{.width = 16, .heads = 4, .value_residual = true};
  // [end]
  const nn::TransformerStack stack =
      drawn(nn::TransformerStack({.width = 16, .layers = 2, .block = {.attention = options}}, rng));
  const nn::TransformerBlock &first = stack.blocks[0], &second = stack.blocks[1];
  const auto values = [](const nn::TransformerBlock& block, const Tensor& t) {
    return plain_split(plain_linear(block.attention.value, plain_norm(block.norm1, t)), heads);
  };
  const auto by = [](const nn::TransformerBlock& block, const Tensor& t, const Tensor& v) {
    const Tensor in = plain_norm(block.norm1, t);
    const Tensor w =
        plain_softmax(plain_scores(plain_split(plain_linear(block.attention.query, in), heads),
                                   plain_split(plain_linear(block.attention.key, in), heads)));
    const Tensor y = t + plain_linear(block.attention.output, plain_merge(matmul(w, v)));
    return y + plain_feed_forward(block.feed_forward, plain_norm(block.norm2, y));
  };
  const Tensor y = by(first, x, values(first, x)), mix = second.attention.value_mix;
  const Tensor wanted = by(second, y, values(second, y) * mix[0] + values(first, x) * mix[1]);
  expect_same(stack(x), plain_norm(*stack.norm, wanted), {x, mix});
}

TEST_F(HeadLines, LatentKeysAndValues) {
  const nn::Linear compress = drawn(nn::Linear(width, 3, rng));
  const nn::MultiHeadAttention layer =
      layer_of({.width = width, .heads = heads, .memory_width = 3});
  // [latent-keys-and-values]
  const Tensor y = layer(x, compress(x), {.mask = mask});  // of a layer with .memory_width = 3
  // [end]
  expect_same(y, plain_layer(layer, x, plain_linear(compress, x), causal), {x, compress.weight});
}

TEST_F(HeadLines, CrossAttention) {
  const Tensor memory = normal({batch, 5, width}, 11);
  const Tensor lengths = from_values<int64_t>({5, 3});
  // [cross-attention]
  const Tensor y = layer(x, memory, {.mask = Mask::lengths(lengths)});
  // [end]
  const Tensor there = reshape(arange(5), {1, 1, 1, 5}) < reshape(lengths, {2, 1, 1, 1});
  expect_same(y, plain_layer(layer, x, memory, there), {x});
}

TEST_F(HeadLines, CrossAttentionInABlock) {
  const Tensor memory = normal({batch, 5, 6}, 11);
  // [cross-attention-in-a-block]
  const nn::TransformerBlockOptions options{
      .width = 16, .attention = {.heads = 4}, .cross_attention = true, .memory_width = 6};
  // [end]
  const nn::TransformerBlock block = drawn(nn::TransformerBlock(options, rng));
  const Tensor in = plain_norm(block.norm1, x);
  Tensor y = x + plain_layer(block.attention, in, in);
  y = y + plain_layer(*block.cross_attention, plain_norm(*block.cross_norm, y), memory);
  y = y + plain_feed_forward(block.feed_forward, plain_norm(block.norm2, y));
  expect_same(block(x, {.memory = memory}), y, {x});
}

TEST_F(HeadLines, DropoutOfWeights) {
  // [dropout-of-weights]
  const nn::MultiHeadAttentionOptions options{.width = 16, .heads = 4, .dropout = 0.25};
  // [end]
  // With values of 1 a query gives the sum of the weights that are left to it: 0 or 1 / (1 - p) of
  // each, and of all of them in evaluation.
  nn::MultiHeadAttention layer = layer_of(options);
  layer.query.weight.copy_from(zeros({16, 16}));
  layer.query.bias.copy_from(zeros({16}));
  layer.value.weight.copy_from(zeros({16, 16}));
  layer.value.bias.copy_from(ones({16}));
  layer.output.weight.copy_from(eye(16));
  layer.output.bias.copy_from(zeros({16}));
  for (const double sum : layer(x).values<double>()) {
    const double kept = sum * 0.75 * length;  // of equal weights
    EXPECT_NEAR(kept, std::round(kept), 1e-10);
  }
  EXPECT_FALSE(close(layer(x), ones({batch, length, width}, Dtype::f64), 1e-10));
  layer.eval();
  EXPECT_TRUE(close(layer(x), ones({batch, length, width}, Dtype::f64), 1e-10));
}

TEST_F(HeadLines, Laser) {
  // [laser]
  const Tensor top = max(v, -2, {.keepdim = true}).detach();
  const Tensor y = log(attention(q, k, exp(v - top), {.mask = mask})) + top;
  // [end]
  const Tensor w = plain_softmax(plain_scores(q, k), causal);
  expect_same(y, log(matmul(w, exp(v))), {x});
}

}  // namespace
}  // namespace rapt::tests
