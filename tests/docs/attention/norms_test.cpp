// The lines of docs/attention.md about norms, each against its definition in
// plain ops.

#include "block_lines.h"

namespace rapt::tests {
namespace {

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

}  // namespace
}  // namespace rapt::tests
