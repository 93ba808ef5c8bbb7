#pragma once

#include <array>

#include "rapt/nn/nn.h"

namespace rapt::tests {

/// Shapes at the edges of the kernels: below, at and above the blocks of keys, queries and terms.
struct DecoderShape {
  int64_t batch, context, width, heads;
};

/// The i-th of a row of decoders that differ in all their options.
inline nn::TransformerOptions decoder_options(const DecoderShape& shape, int64_t i) {
  nn::TransformerOptions options{.vocabulary = 29 + i % 3,
                                 .context = shape.context,
                                 .width = shape.width,
                                 .layers = 1 + i % 2,
                                 .block = {.attention = {.heads = shape.heads}}};
  options.block.feed_forward.activation = static_cast<nn::Activation>(i % 4);
  options.block.feed_forward.gated = i % 3 == 1;
  options.block.norm = i % 2 == 0 ? nn::NormKind::layer : nn::NormKind::rms;
  options.block.pre_norm = i % 5 != 3;
  options.positions = std::array{nn::Positions::learned, nn::Positions::sinusoidal,
                                 nn::Positions::none}[static_cast<size_t>(i % 3)];
  if (i % 3 == 2) options.block.attention.positions = nn::AttentionPositions::rotary();
  options.tie_weights = i % 4 == 2;
  options.stddev = 0.2;  // scores that differ
  return options;
}

}  // namespace rapt::tests
