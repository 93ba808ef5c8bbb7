// The lines of docs/attention.md about blocks: norms, residuals, feed-forward layers and their
// order, each against its definition in plain ops.

#include "lines.h"

namespace rapt::tests {
namespace {

class BlockLines : public AttentionLines {
 protected:
  nn::TransformerBlock block_of(nn::TransformerBlockOptions options) {
    options.width = width;
    options.attention.heads = heads;
    return drawn(nn::TransformerBlock(options, rng));
  }
  nn::TransformerStack stack_of(int64_t layers, nn::TransformerBlockOptions options = {}) {
    options.attention.heads = heads;
    return drawn(nn::TransformerStack({.width = width, .layers = layers, .block = options}, rng));
  }
  /// What a block's branches give for what they are given, causal.
  Tensor attended(const nn::TransformerBlock& b, const Tensor& t) const {
    return plain_layer(b.attention, t, t, causal);
  }
  static Tensor fed(const nn::TransformerBlock& b, const Tensor& t) {
    return plain_feed_forward(b.feed_forward, t);
  }
  static Tensor norm1(const nn::TransformerBlock& b, const Tensor& t) {
    return plain_norm(b.norm1, t);
  }
  static Tensor norm2(const nn::TransformerBlock& b, const Tensor& t) {
    return plain_norm(b.norm2, t);
  }
  /// With pre-norm.
  Tensor plain_block(const nn::TransformerBlock& b, const Tensor& t) const {
    const Tensor y = t + attended(b, norm1(b, t));
    return y + fed(b, norm2(b, y));
  }
  static Tensor plain_sigmoid(const Tensor& t) { return 1 / (1 + exp(-t)); }

  const Tensor ids = from_values<int64_t>({1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 1, 2}, {2, 6});
  nn::DecoderOnly model_of(nn::TransformerOptions options = {}) {
    options.vocabulary = 9;
    options.context = 8;
    options.width = width;
    return drawn(nn::DecoderOnly(options, rng));
  }
};

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

// ---- norms -------------------------------------------------------------------------------------

TEST_F(BlockLines, PreNorm) {
  // [pre-norm]
  const nn::TransformerBlockOptions options{.pre_norm = true};
  // [end]
  const nn::TransformerBlock block = block_of(options);
  expect_same(block(x, {.mask = mask}), plain_block(block, x), {x});
}

TEST_F(BlockLines, PostNorm) {
  // [post-norm]
  const nn::TransformerBlockOptions options{.pre_norm = false};
  // [end]
  const nn::TransformerBlock block = block_of(options);
  const Tensor y = norm1(block, x + attended(block, x));
  expect_same(block(x, {.mask = mask}), norm2(block, y + fed(block, y)), {x});
}

TEST_F(BlockLines, RmsNorm) {
  // [rmsnorm]
  const nn::TransformerBlockOptions options{.norm = nn::NormKind::rms};
  // [end]
  const nn::TransformerBlock block = block_of(options);
  const auto rms = [](const nn::Norm& norm, const Tensor& t) {
    return t / sqrt(mean(t * t, -1, {.keepdim = true}) + 1e-5) * norm.weight;
  };
  const Tensor y = x + attended(block, rms(block.norm1, x));
  expect_same(block(x, {.mask = mask}), y + fed(block, rms(block.norm2, y)), {x});
}

TEST_F(BlockLines, SimpleRmsNorm) {
  // [simple-rmsnorm]
  const Tensor y = x + layer(rms_norm(x), {.mask = mask});
  // [end]
  const Tensor in = x / sqrt(mean(x * x, -1, {.keepdim = true}) + 1e-5);
  expect_same(y, x + plain_layer(layer, in, in, causal), {x});
}

TEST_F(BlockLines, ScaleNorm) {
  const Tensor g = tensor(1.7, Dtype::f64).set_requires_grad();
  // [scalenorm]
  const auto scale_norm = [&](const Tensor& t) {  // g: a parameter, one number
    return g * t / maximum(norm(t, -1, {.keepdim = true}), 1e-5);
  };
  const Tensor y = x + layer(scale_norm(x), {.mask = mask});
  // [end]
  const Tensor in = g * x / sqrt(sum(x * x, -1, {.keepdim = true}));
  expect_same(y, x + plain_layer(layer, in, in, causal), {x, g});
}

TEST_F(BlockLines, NormOfEmbeddings) {
  const nn::DecoderOnly model = model_of();
  const nn::LayerNorm embedding_norm = drawn(nn::LayerNorm(width));
  // [norm-of-embeddings]
  const Tensor x = embedding_norm(model.embedding(ids));
  const Tensor y = model.stack(x, {.mask = mask});
  // [end]
  const Tensor rows = slice(model.embedding.positions->weight, 0, 0, 6);
  const Tensor in = plain_layer_norm(embedding(model.embedding.tokens.weight, ids) + rows,
                                     embedding_norm.weight, embedding_norm.bias);
  expect_same(y, model.stack(in, {.mask = mask}), {embedding_norm.weight});
}

TEST_F(BlockLines, UnitEmbeddings) {
  const nn::DecoderOnly model = model_of();
  // [unit-embeddings]
  const nn::ForwardHook unit(model, [](const nn::LayerCall& call) {
    return call.path == "tokens" ? call.output / norm(call.output, -1, {.keepdim = true})
                                 : Tensor();
  });
  const Tensor logits = model(ids);
  // [end]
  const Tensor tokens = embedding(model.embedding.tokens.weight, ids);
  const Tensor in = tokens / sqrt(sum(tokens * tokens, -1, {.keepdim = true})) +
                    slice(model.embedding.positions->weight, 0, 0, 6);
  const Tensor y = model.stack(in, {.mask = mask});
  expect_same(logits, plain_linear(*model.head, y), {model.embedding.tokens.weight});
}

TEST_F(BlockLines, SandwichNorm) {
  const nn::TransformerBlock block = block_of({});
  const nn::LayerNorm norm3 = drawn(nn::LayerNorm(width)), norm4 = drawn(nn::LayerNorm(width));
  Tensor x = this->x;
  // [sandwich-norm]
  x = x + norm3(block.attention(block.norm1(x), {.mask = mask}));
  x = x + norm4(block.feed_forward(block.norm2(x)));
  // [end]
  const auto behind = [](const nn::LayerNorm& n, const Tensor& t) {
    return plain_layer_norm(t, n.weight, n.bias);
  };
  const Tensor y = this->x + behind(norm3, attended(block, norm1(block, this->x)));
  expect_same(x, y + behind(norm4, fed(block, norm2(block, y))), {this->x, norm3.weight});
}

TEST_F(BlockLines, ResiDual) {
  const nn::TransformerStack stack = stack_of(2);
  Tensor post = x, pre = x;
  for (const nn::TransformerBlock& block : stack.blocks) {
    // [residual]
    const Tensor f = block.attention(post, {.mask = mask}), between = block.norm1(post + f);
    const Tensor g = block.feed_forward(between);
    post = block.norm2(between + g);
    pre = pre + f + g;
    // [end]
  }
  const Tensor y = post + (*stack.norm)(pre);
  const nn::TransformerBlock &a = stack.blocks[0], &b = stack.blocks[1];
  const Tensor f1 = attended(a, x), x1 = norm1(a, x + f1);
  const Tensor f2 = fed(a, x1), x2 = norm2(a, x1 + f2);
  const Tensor f3 = attended(b, x2), x3 = norm1(b, x2 + f3);
  const Tensor f4 = fed(b, x3), x4 = norm2(b, x3 + f4);
  expect_same(y, x4 + plain_norm(*stack.norm, x + f1 + f2 + f3 + f4), {x});
}

TEST_F(BlockLines, DeepNorm) {
  const nn::TransformerBlock block = block_of({});
  Tensor x = this->x;
  // [deepnorm]
  const double alpha = std::pow(2 * 6.0, 0.25);  // of 6 layers
  x = block.norm1(alpha * x + block.attention(x, {.mask = mask}));
  x = block.norm2(alpha * x + block.feed_forward(x));
  // [end]
  const double by = std::sqrt(std::sqrt(12.0));
  const Tensor y = norm1(block, this->x * by + attended(block, this->x));
  expect_same(x, norm2(block, y * by + fed(block, y)), {this->x});
}

TEST_F(BlockLines, DeepNormInit) {
  const nn::TransformerBlock block = block_of({});
  std::vector<Tensor> before;
  for (const auto& [name, parameter] : block.parameters()) before.push_back(parameter.clone());
  // [deepnorm-init]
  const double beta = std::pow(8 * 6.0, -0.25);  // of 6 layers; once, when the weights are new
  for (const nn::Linear* map : {&block.attention.value, &block.attention.output,
                                &block.feed_forward.up, &block.feed_forward.down}) {
    Tensor(map->weight).copy_from(map->weight.detach() * beta);
  }
  // [end]
  size_t i = 0;
  for (const auto& [name, parameter] : block.parameters()) {
    const bool scaled = name == "attention.value.weight" || name == "attention.output.weight" ||
                        name == "feed_forward.up.weight" || name == "feed_forward.down.weight";
    const double by = scaled ? 1 / std::sqrt(std::sqrt(48.0)) : 1;
    EXPECT_TRUE(close(parameter, before[i++] * by, 1e-12)) << name;
  }
}

TEST_F(BlockLines, NormBehindTheActivation) {
  const nn::TransformerBlock block = block_of({});
  const nn::LayerNorm inner_norm = drawn(nn::LayerNorm(4 * width));
  // [norm-behind-the-activation]
  const nn::FeedForward& f = block.feed_forward;
  const Tensor y = x + f.down(inner_norm(gelu(f.up(block.norm2(x)), Gelu::tanh)));
  // [end]
  const Tensor inner = plain_layer_norm(plain_gelu(plain_linear(f.up, norm2(block, x))),
                                        inner_norm.weight, inner_norm.bias);
  expect_same(y, x + plain_linear(f.down, inner), {x, inner_norm.weight});
}

TEST_F(BlockLines, AdaptiveNorm) {
  const Tensor condition = normal({batch, 1, 3}, 11).set_requires_grad();
  const nn::Linear scale = drawn(nn::Linear(3, width, rng)),
                   shift = drawn(nn::Linear(3, width, rng));
  // [adaptive-norm]
  const Tensor in = layer_norm(x) * (1 + scale(condition)) + shift(condition);
  const Tensor y = x + layer(in, {.mask = mask});
  // [end]
  const Tensor weight = 1 + plain_linear(scale, condition), bias = plain_linear(shift, condition);
  const Tensor plain = plain_layer_norm(x, weight, bias);
  expect_same(y, x + plain_layer(layer, plain, plain, causal), {x, condition});
}

TEST_F(BlockLines, DynamicTanh) {
  const Tensor alpha = tensor(0.7, Dtype::f64).set_requires_grad();
  const Tensor weight = normal({width}, 11), bias = normal({width}, 12);
  // [dynamic-tanh]
  const Tensor y = x + layer(tanh(alpha * x) * weight + bias, {.mask = mask});
  // [end]
  const Tensor e = exp(2 * alpha * x), in = (e - 1) / (e + 1) * weight + bias;
  expect_same(y, x + plain_layer(layer, in, in, causal), {x, alpha});
}

// ---- residuals ---------------------------------------------------------------------------------

TEST_F(BlockLines, ScaledResidual) {
  const nn::TransformerBlock block = block_of({});
  const Tensor residual_scale = normal({width}, 11).set_requires_grad();
  // [scaled-residual]
  const Tensor y = residual_scale * x + block.attention(block.norm1(x), {.mask = mask});
  // [end]
  const Tensor wanted =
      einsum("btc,c->btc", {x, residual_scale}) + attended(block, norm1(block, x));
  expect_same(y, wanted, {x, residual_scale});
}

TEST_F(BlockLines, LayerScale) {
  const nn::TransformerBlock block = block_of({});
  const Tensor layer_scale = normal({width}, 11).set_requires_grad();
  // [layerscale]
  const Tensor y = x + layer_scale * block.attention(block.norm1(x), {.mask = mask});
  // [end]
  const Tensor f = attended(block, norm1(block, x));
  expect_same(y, x + einsum("btc,c->btc", {f, layer_scale}), {x, layer_scale});
}

TEST_F(BlockLines, GatedResidual) {
  const nn::TransformerBlock block = block_of({});
  nn::RecurrentDirection cell = drawn(nn::RecurrentDirection(
      {.kind = nn::RecurrentKind::gru, .input = width, .hidden = width}, rng));
  // [gated-residual]
  const Tensor f = block.attention(block.norm1(x), {.mask = mask});
  const Tensor tokens = reshape(f, {-1, 1, 16}), before = reshape(x, {-1, 16});  // width 16
  const Tensor y = reshape(cell(tokens, {.initial = {.hidden = before}}), x.shape());
  // [end]
  const Tensor in = attended(block, norm1(block, x));
  const auto part = [](const Tensor& t, int64_t i) { return slice(t, 0, 16 * i, 16 * i + 16); };
  const auto map = [&](const Tensor& t, const Tensor& weight, const Tensor& bias, int64_t i) {
    return matmul(t, transpose(part(weight, i))) + part(bias, i);
  };
  const auto ih = [&](int64_t i) { return map(in, cell.weight_ih, cell.bias_ih, i); };
  const auto hh = [&](int64_t i) { return map(x, cell.weight_hh, cell.bias_hh, i); };
  const Tensor r = plain_sigmoid(ih(0) + hh(0)), z = plain_sigmoid(ih(1) + hh(1));
  const Tensor n = tanh(ih(2) + r * hh(2));
  expect_same(y, (1 - z) * n + z * x, {x, cell.weight_ih});
}

TEST_F(BlockLines, DropoutOfBranches) {
  // [dropout-of-branches]
  const nn::TransformerBlockOptions options{.attention = {.dropout = 0.0}, .dropout = 0.5};
  // [end]
  nn::TransformerBlock block = block_of(options);
  block.feed_forward.down.weight.copy_from(zeros({width, 4 * width}));
  block.feed_forward.down.bias.copy_from(zeros({width}));
  const Tensor f = attended(block, norm1(block, x)), y = block(x, {.mask = mask});
  int dropped = 0;
  for (const double kept : ((y - x) / f).values<double>()) {
    dropped += std::abs(kept) < 1e-8;
    EXPECT_TRUE(std::abs(kept) < 1e-8 || std::abs(kept - 2) < 1e-8) << kept;
  }
  EXPECT_TRUE(0 < dropped && dropped < f.numel()) << dropped;
  block.eval();
  EXPECT_TRUE(close(block(x, {.mask = mask}), x + f, 1e-10));
}

TEST_F(BlockLines, BranchesThatStartAtZero) {
  const nn::TransformerStack stack = stack_of(2);
  // [branches-that-start-at-0]
  for (const nn::TransformerBlock& block : stack.blocks) {  // once, when the weights are new
    const nn::Linear &a = block.attention.output, &f = block.feed_forward.down;
    for (Tensor t : {a.weight, a.bias, f.weight, f.bias}) t.copy_from(zeros(t.shape()));
  }
  // [end]
  expect_same(stack(x), plain_norm(*stack.norm, x), {x});
}

TEST_F(BlockLines, AllLayersWeighted) {
  const nn::TransformerStack layers = stack_of(2);
  const Tensor mix = normal({2, 3}, 11).set_requires_grad();
  Tensor x = this->x;
  // [all-layers-weighted]
  Tensors outputs = {x};
  for (size_t i = 0; i < layers.blocks.size(); ++i) {
    outputs.push_back(layers.blocks[i](x, {.mask = mask}));
    x = einsum("l,lbtc->btc", {slice(mix[i], 0, 0, i + 2), stack(outputs)});
  }
  // [end]
  const Tensor y1 = plain_block(layers.blocks[0], this->x);
  const Tensor x1 = mix[0][0] * this->x + mix[0][1] * y1;
  const Tensor y2 = plain_block(layers.blocks[1], x1);
  expect_same(x, mix[1][0] * this->x + mix[1][1] * y1 + mix[1][2] * y2, {this->x, mix});
}

TEST_F(BlockLines, StochasticDepth) {
  const nn::TransformerStack stack = stack_of(4);
  Rng depth(3), again(3);
  Tensor x = this->x;
  // [stochastic-depth]
  for (const nn::TransformerBlock& block : stack.blocks) {
    const bool dropped = stack.training() && depth.uniform() < 0.5;
    if (!dropped) x = block(x, {.mask = mask});
  }
  // [end]
  Tensor y = this->x;
  int run = 0;
  for (const nn::TransformerBlock& block : stack.blocks) {
    if (again.uniform() < 0.5) continue;
    y = plain_block(block, y);
    ++run;
  }
  EXPECT_TRUE(0 < run && run < 4) << run;
  expect_same(x, y, {this->x});
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

// ---- what goes in ------------------------------------------------------------------------------

TEST_F(BlockLines, ContinuousValues) {
  const Tensor values = normal({batch, length, 3}, 11).set_requires_grad();
  const nn::Linear in = drawn(nn::Linear(3, width, rng)), out = drawn(nn::Linear(width, 5, rng));
  const nn::TransformerStack stack = stack_of(1);
  // [continuous-values]
  const Tensor y = out(stack(in(values), {.mask = mask}));  // [B, T, 3] -> [B, T, 5]
  // [end]
  const Tensor hidden = plain_block(stack.blocks[0], plain_linear(in, values));
  expect_same(y, plain_linear(out, plain_norm(*stack.norm, hidden)), {values});
}

TEST_F(BlockLines, NumbersAmongTokens) {
  const nn::DecoderOnly model = model_of();
  const Tensor numbers = normal({2, 6}, 11).set_requires_grad(), is_number = ids == 1;
  // [numbers-among-tokens]
  const Tensor scale = unsqueeze(where(is_number, numbers, 1), -1);  // [B, T, 1]
  const Tensor y = model.stack(model.embedding(ids) * scale, {.mask = mask});
  // [end]
  const Tensor by = is_number.to(Dtype::f64) * numbers + (ids != 1).to(Dtype::f64);
  const Tensor in = einsum("btc,bt->btc", {model.embedding(ids), by});
  expect_same(y, model.stack(in, {.mask = mask}), {numbers});
}

TEST_F(BlockLines, EmbeddingsInFront) {
  const nn::DecoderOnly model = model_of();
  const Tensor image = normal({2, 3, width}, 11).set_requires_grad();
  // [embeddings-in-front]
  const Tensor all = concat({image, model.embedding(ids)}, 1);  // image [B, n, width]
  const Tensor y = model.stack(all, {.mask = Mask::prefix(image.size(1))});
  // [end]
  const nn::TransformerStack& stack = model.stack;
  const Tensor distance = plain_distances(9, 9);
  const Tensor may = logical_or(distance <= 0, arange(9) < 3);
  Tensor plain = all;
  for (const nn::TransformerBlock& b : stack.blocks) {
    const Tensor in = norm1(b, plain);
    plain = plain + plain_layer(b.attention, in, in, may);
    plain = plain + fed(b, norm2(b, plain));
  }
  expect_same(y, plain_norm(*stack.norm, plain), {image});
}

TEST_F(BlockLines, PatchesOfAnImage) {
  const Tensor image = normal({2, 3, 4, 6}, 11);
  const nn::Linear in = drawn(nn::Linear(3 * 2 * 2, width, rng));
  // [patches-of-an-image]
  const Tensor cut = reshape(image, {2, 3, 4 / 2, 2, 6 / 2, 2});  // [B, C, H, W] in 2 x 2
  const Tensor patches = reshape(permute(cut, {0, 2, 4, 1, 3, 5}), {2, 6, 12});
  const Tensor x = in(patches);  // [B, patches, width]: give it to a TransformerStack
  // [end]
  for (int64_t row = 0; row < 2; ++row) {
    for (int64_t column = 0; column < 3; ++column) {
      const Tensor patch =
          slice(slice(image, 2, 2 * row, 2 * row + 2), 3, 2 * column, 2 * column + 2);
      EXPECT_TRUE(
          close(select(x, 1, 3 * row + column), plain_linear(in, reshape(patch, {2, 12})), 1e-12));
    }
  }
}

TEST_F(BlockLines, KeysAndValuesKept) {
  const nn::DecoderOnly model = model_of();
  const Tensor before = slice(ids, 1, 0, 4), next = slice(ids, 1, 4, 6);
  const NoGrad no_grad;
  // [keys-and-values-kept]
  nn::KeyValueCache cache;
  model(before, {.cache = &cache});
  const Tensor logits = model(next, {.cache = &cache});  // behind what was there before
  // [end]
  EXPECT_TRUE(close(logits, slice(model(ids), 1, 4, 6), 1e-10));
}

}  // namespace
}  // namespace rapt::tests
