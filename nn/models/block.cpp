#include "rapt/nn/models/block.h"

#include "rapt/autograd/ops.h"
#include "rapt/nn/detail/configuration.h"

namespace rapt::nn {
namespace {

void set_width(const char* of, int64_t& width, int64_t block_width) {
  if (width != 0 && width != block_width) {
    fail("TransformerBlock: wanted ", of, " of the block's width, ", block_width, "; got ", width);
  }
  width = block_width;
}

/// The parts' options with what they share.
TransformerBlockOptions filled_in(TransformerBlockOptions o) {
  if (o.width < 1) fail("TransformerBlock: wanted width >= 1; got ", o.width);
  if (o.memory_width < 0) fail("TransformerBlock: wanted memory_width >= 0; got ", o.memory_width);
  set_width("attention", o.attention.width, o.width);
  set_width("a feed_forward", o.feed_forward.width, o.width);
  if (o.memory_width == 0) o.memory_width = o.width;
  o.dropout = o.dropout.value_or(0);
  if (!o.attention.dropout) o.attention.dropout = o.dropout;
  if (o.feed_forward.hidden == 0) o.feed_forward.hidden = 4 * o.width;
  return o;
}

/// Of the attention to a memory, whose tokens stand nowhere beside the queries.
MultiHeadAttentionOptions cross_options(const TransformerBlockOptions& o) {
  MultiHeadAttentionOptions cross = o.attention;
  cross.memory_width = o.memory_width;
  cross.positions = {};
  cross.window = {};
  cross.value_residual = false;
  return cross;
}

}  // namespace

TransformerBlock::TransformerBlock(const TransformerBlockOptions& options, Rng& rng)
    : TransformerBlock(Filled{filled_in(options)}, rng) {}

TransformerBlock::TransformerBlock(const Filled& filled, Rng& rng)
    : norm1(child("norm1", Norm(filled.options.norm, filled.options.width))),
      attention(child("attention", MultiHeadAttention(filled.options.attention, rng))),
      norm2(filled.options.norm, filled.options.width),
      feed_forward(filled.options.feed_forward, rng),
      dropout(*filled.options.dropout, rng),
      options_(filled.options) {
  options_.attention = attention.options();
  configure_with_layers(detail::values_of(options_));
  if (options_.cross_attention) {
    cross_norm = child("cross_norm", Norm(options_.norm, options_.width));
    cross_attention = child("cross_attention", MultiHeadAttention(cross_options(options_), rng));
  }
  child("norm2", norm2);
  child("feed_forward", feed_forward);
  child("dropout", dropout);
}

Tensor TransformerBlock::branch(const Tensor& x, const Norm& norm,
                                FunctionRef<Tensor(const Tensor&)> f) const {
  if (options_.pre_norm) return x + dropout(f(norm(x)));
  return norm(x + dropout(f(x)));
}

Tensor TransformerBlock::operator()(const Tensor& x, const TransformerInputs& how) const {
  return call(x, [&] {
    if (how.memory.defined() != cross_attention.has_value()) {
      fail("TransformerBlock: wanted ", cross_attention ? "a memory" : "no memory",
           ", as it was built ", cross_attention ? "with" : "without", " cross_attention");
    }
    Tensor y = branch(x, norm1, [&](const Tensor& in) {
      return attention(in,
                       {.mask = how.mask, .cache = how.cache, .first_values = how.first_values});
    });
    if (cross_attention) {
      y = branch(y, *cross_norm, [&](const Tensor& in) {
        return (*cross_attention)(in, how.memory, {.mask = how.memory_mask, .cache = how.cache});
      });
    }
    return branch(y, norm2, [&](const Tensor& in) { return feed_forward(in); });
  });
}

}  // namespace rapt::nn
