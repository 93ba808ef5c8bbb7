// The lines of docs/attention.md about residuals, each against its definition in
// plain ops.

#include "block_lines.h"

namespace rapt::tests {
namespace {

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

}  // namespace
}  // namespace rapt::tests
