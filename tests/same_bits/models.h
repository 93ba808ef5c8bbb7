#pragma once

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
                                 .heads = shape.heads,
                                 .layers = 1 + i % 2};
  options.activation = static_cast<nn::Activation>(i % 4);
  options.gated = i % 3 == 1;
  options.norm = i % 2 == 0 ? nn::NormKind::layer : nn::NormKind::rms;
  options.pre_norm = i % 5 != 3;
  options.positions = static_cast<nn::Positions>(i % 3);
  options.tie_weights = i % 4 == 2;
  options.stddev = 0.2;  // scores that differ
  return options;
}

}  // namespace rapt::tests
