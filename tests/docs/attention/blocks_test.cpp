// The lines of docs/attention.md about feed-forward layers and the order of layers, each against
// its definition in plain ops.

#include "block_lines.h"

namespace rapt::tests {
namespace {

TEST_F(BlockLines, ABlockOfYourOwn) {
  const nn::DecoderOnly model = model_of();
  // [a-block-of-your-own]
  Tensor x = model.embedding(ids);
  for (const nn::TransformerBlock& block : model.stack.blocks) {
    x = x + block.attention(block.norm1(x), {.mask = mask});
    x = x + block.feed_forward(block.norm2(x));
  }
  const Tensor logits = (*model.head)((*model.stack.norm)(x));
  // [end]
  EXPECT_TRUE(close(logits, model(ids), 1e-12));
}

// ---- feed-forward ------------------------------------------------------------------------------

/// down(open(gate(x)) * up(x)), or down(open(up(x))).
template <class F>
void expect_feed_forward(nn::FeedForwardOptions options, const Tensor& x, F open) {
  options.width = x.size(-1);
  Rng rng(3);
  const nn::FeedForward f = drawn(nn::FeedForward(options, rng));
  EXPECT_EQ(f.up.bias.defined(), options.bias);
  EXPECT_EQ(f.down.bias.defined(), options.bias);
  const Tensor up = plain_linear(f.up, x);
  const Tensor inner = f.gate ? open(plain_linear(*f.gate, x)) * up : open(up);
  expect_same(f(x), plain_linear(f.down, inner), {x, f.up.weight});
}

TEST_F(BlockLines, GLU) {
  // [glu]
  const nn::FeedForwardOptions glu{.activation = nn::Activation::sigmoid, .gated = true};
  const nn::FeedForwardOptions bilinear{.activation = nn::Activation::identity, .gated = true};
  const nn::FeedForwardOptions reglu{.activation = nn::Activation::relu, .gated = true};
  const nn::FeedForwardOptions geglu{.activation = nn::Activation::gelu, .gated = true};
  const nn::FeedForwardOptions swiglu{.activation = nn::Activation::silu, .gated = true};
  // [end]
  expect_feed_forward(glu, x, plain_sigmoid);
  expect_feed_forward(bilinear, x, [](const Tensor& t) { return t; });
  expect_feed_forward(reglu, x, [](const Tensor& t) { return maximum(t, 0.0); });
  expect_feed_forward(geglu, x,
                      [](const Tensor& t) { return 0.5 * t * (1 + erf(t / std::sqrt(2.0))); });
  expect_feed_forward(swiglu, x, [](const Tensor& t) { return t * plain_sigmoid(t); });
}

TEST_F(BlockLines, ReluSquared) {
  // [relu-squared]
  const nn::FeedForwardOptions options{.activation = nn::Activation::relu_squared};
  // [end]
  expect_feed_forward(options, x, [](const Tensor& t) { return where(t > 0, t * t, 0.0); });
}

TEST_F(BlockLines, NoBias) {
  // [no-bias]
  const nn::TransformerBlockOptions options{.attention = {.bias = false},
                                            .feed_forward = {.bias = false}};
  // [end]
  const nn::TransformerBlock block = block_of(options);
  EXPECT_FALSE(block.attention.query.bias.defined());
  EXPECT_FALSE(block.attention.output.bias.defined());
  expect_feed_forward(options.feed_forward, x, plain_gelu);
  expect_same(block(x, {.mask = mask}), plain_block(block, x), {x});
}

// ---- the order of layers -----------------------------------------------------------------------

TEST_F(BlockLines, ParallelBranches) {
  const nn::TransformerBlock block = block_of({});
  // [parallel-branches]
  const Tensor in = block.norm1(x);
  const Tensor y = x + block.attention(in, {.mask = mask}) + block.feed_forward(in);
  // [end]
  const Tensor plain = norm1(block, x);
  expect_same(y, x + attended(block, plain) + fed(block, plain), {x});
}

TEST_F(BlockLines, Macaron) {
  const nn::TransformerBlock block = block_of({}), first = block_of({});
  Tensor x = this->x;
  // [macaron]
  x = x + 0.5 * first.feed_forward(first.norm2(x));  // of a block whose attention is not used
  x = x + block.attention(block.norm1(x), {.mask = mask});
  x = x + 0.5 * block.feed_forward(block.norm2(x));
  // [end]
  Tensor y = this->x + fed(first, norm2(first, this->x)) / 2;
  y = y + attended(block, norm1(block, y));
  expect_same(x, y + fed(block, norm2(block, y)) / 2, {this->x});
}

TEST_F(BlockLines, SandwichOfLayers) {
  const nn::TransformerStack stack = stack_of(4);
  const std::vector<nn::TransformerBlock>& blocks = stack.blocks;
  const size_t n = 4, k = 2;
  Tensor x = this->x;
  // [sandwich-of-layers]
  for (size_t i = 0; i < n + k; ++i) {  // k of attention first, k of feed-forward last
    if (i < n) x = x + blocks[i].attention(blocks[i].norm1(x), {.mask = mask});
    if (i >= k) x = x + blocks[i - k].feed_forward(blocks[i - k].norm2(x));
  }
  // [end]
  Tensor y = this->x;
  for (const char* at : {"s0", "s1", "s2", "f0", "s3", "f1", "f2", "f3"}) {
    const nn::TransformerBlock& b = blocks[static_cast<size_t>(at[1] - '0')];
    y = y + (at[0] == 's' ? attended(b, norm1(b, y)) : fed(b, norm2(b, y)));
  }
  expect_same(x, y, {this->x});
}

TEST_F(BlockLines, TiedLayers) {
  const nn::TransformerBlock block = block_of({});
  Tensor x = this->x;
  // [tied-layers]
  for (int i = 0; i < 3; ++i) x = block(x, {.mask = mask});
  // [end]
  const Tensor y = plain_block(block, plain_block(block, plain_block(block, this->x)));
  expect_same(x, y, {this->x, block.attention.query.weight});
}

TEST_F(BlockLines, AttentionAlone) {
  const nn::TransformerStack stack = stack_of(2);
  Tensor x = this->x;
  // [attention-alone]
  for (const nn::TransformerBlock& block : stack.blocks) {
    x = x + block.attention(block.norm1(x), {.mask = mask});
  }
  // [end]
  const nn::TransformerBlock &a = stack.blocks[0], &b = stack.blocks[1];
  const Tensor y = this->x + attended(a, norm1(a, this->x));
  expect_same(x, y + attended(b, norm1(b, y)), {this->x});
}

TEST_F(BlockLines, AttentionBesideARecurrentLayer) {
  const nn::TransformerBlock block = block_of({});
  const nn::GRU gru = drawn(nn::GRU({.input = width, .hidden = width}, rng));
  // [attention-beside-a-recurrent-layer]
  const Tensor in = block.norm1(x);
  const Tensor y = x + block.attention(in, {.mask = mask}) + gru(in);
  // [end]
  const nn::RecurrentDirection& cell = gru.layers[0].forward;
  const Tensor plain = norm1(block, x);
  const auto gates = [](const Tensor& t, const Tensor& weight, const Tensor& bias) {
    return chunk(matmul(t, transpose(weight)) + bias, 3, -1);
  };
  Tensor h = zeros({batch, width}, Dtype::f64);
  Tensors states;
  for (int64_t t = 0; t < length; ++t) {
    const Tensors a = gates(select(plain, 1, t), cell.weight_ih, cell.bias_ih);
    const Tensors b = gates(h, cell.weight_hh, cell.bias_hh);
    const Tensor z = plain_sigmoid(a[1] + b[1]);
    h = (1 - z) * tanh(a[2] + plain_sigmoid(a[0] + b[0]) * b[2]) + z * h;
    states.push_back(h);
  }
  expect_same(y, x + attended(block, plain) + stack(states, 1), {x, cell.weight_ih});
}

}  // namespace
}  // namespace rapt::tests
