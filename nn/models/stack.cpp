#include "rapt/nn/models/stack.h"

#include <algorithm>
#include <cmath>

#include "rapt/autograd/ops.h"
#include "rapt/autograd/recompute.h"
#include "rapt/nn/detail/configuration.h"
#include "rapt/nn/init.h"

namespace rapt::nn {
namespace {

void check(const TransformerStackOptions& o) {
  if (o.width < 1) fail("TransformerStack: wanted width >= 1; got ", o.width);
  if (o.layers < 1) fail("TransformerStack: wanted layers >= 1; got ", o.layers);
  if (o.block.width != 0 && o.block.width != o.width) {
    fail("TransformerStack: wanted blocks of its own width, ", o.width, "; got ", o.block.width);
  }
}

TransformerBlockOptions of_layer(const TransformerStackOptions& o, int64_t layer) {
  const auto at = static_cast<size_t>(layer);
  TransformerBlockOptions block = o.block;
  block.width = o.width;
  block.attention.width = o.width;
  if (!o.windows.empty()) block.attention.window = o.windows[at % o.windows.size()];
  // The first layer's values are what the others add to theirs.
  block.attention.value_residual = block.attention.value_residual && layer > 0;
  return block;
}

}  // namespace

TransformerStack::TransformerStack(const TransformerStackOptions& options, Rng& rng)
    : options_(options) {
  check(options);
  for (int64_t i = 0; i < options.layers; ++i) {
    blocks.push_back(child(text("blocks.", i), TransformerBlock(of_layer(options, i), rng)));
  }
  options_.final_norm = options.final_norm.value_or(options.block.pre_norm);
  if (*options_.final_norm) norm = child("norm", Norm(options.block.norm, options.width));
  // The blocks' own, but for what differs from layer to layer.
  options_.block = blocks.front().options();
  options_.block.attention.window = options.block.attention.window;
  options_.block.attention.value_residual = options.block.attention.value_residual;
  configure_with_layers(detail::values_of(options_));
}

void TransformerStack::initialize(double stddev, Rng& rng) {
  if (!(stddev >= 0)) fail("TransformerStack: wanted stddev >= 0; got ", stddev);
  const int64_t branches = options_.layers * (options_.block.cross_attention ? 3 : 2);
  const auto start = [&](const Linear& map, int64_t residuals) {
    Tensor(map.weight).copy_from(gpt2_normal(map.weight.shape(), rng, residuals, stddev));
    if (map.bias.defined()) Tensor(map.bias).copy_from(zeros(map.bias.shape()));
  };
  const auto start_attention = [&](const MultiHeadAttention& a) {
    for (const Linear* map : {&a.query, &a.key, &a.value}) start(*map, 1);
    if (a.gate) start(*a.gate, 1);
  };
  for (const TransformerBlock& block : blocks) {
    const FeedForward& f = block.feed_forward;
    start_attention(block.attention);
    if (block.cross_attention) start_attention(*block.cross_attention);
    start(f.up, 1);
    if (f.gate) start(*f.gate, 1);
    start(block.attention.output, branches);
    if (block.cross_attention) start(block.cross_attention->output, branches);
    start(f.down, branches);
  }
}

Tensor TransformerStack::run(const TransformerBlock& block, const Tensor& x,
                             const TransformerInputs& how, bool again) const {
  if (!again) return block(x, how);
  return recompute(
      [block, how](const Tensors& in) {
        TransformerInputs given = how;
        Tensor first_values = in[2];
        given.memory = in[1];
        given.first_values = first_values.defined() ? &first_values : nullptr;
        return block(in[0], given);
      },
      {x, how.memory, how.first_values ? *how.first_values : Tensor()});
}

Tensor TransformerStack::operator()(const Tensor& given, const TransformerInputs& inputs) const {
  return call(given, [&] {
    TransformerInputs how = inputs;
    Tensor x = given, first_values;
    const bool shares_values = options_.block.attention.value_residual;
    if (shares_values) how.first_values = &first_values;
    for (size_t i = 0; i < blocks.size(); ++i) {
      // The block whose values the others need is not run again: it has two results.
      const bool again = options_.recompute && !how.cache && !(shares_values && i == 0);
      x = run(blocks[i], x, how, again);
    }
    return norm ? (*norm)(x) : x;
  });
}

}  // namespace rapt::nn
