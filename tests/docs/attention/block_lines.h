#pragma once

// Blocks and models for the lines of docs/attention.md about them, and what their branches give.

#include "lines.h"

namespace rapt::tests {

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

}  // namespace rapt::tests
