#include "rapt/nn/transformer.h"

#include <cmath>

#include "rapt/autograd/ops.h"
#include "rapt/autograd/recompute.h"
#include "rapt/nn/init.h"

namespace rapt::nn {

TransformerBlock::TransformerBlock(const TransformerBlockOptions& options, Rng& rng)
    : norm1(child("norm1", Norm(options.norm, options.width))),
      attention(child("attention",
                      MultiHeadAttention({.width = options.width,
                                          .heads = options.heads,
                                          .dropout = options.dropout,
                                          .positions = options.rotary ? AttentionPositions::rotary()
                                                                      : AttentionPositions()},
                                         rng))),
      norm2(child("norm2", Norm(options.norm, options.width))),
      feed_forward(child("feed_forward", FeedForward({.width = options.width,
                                                      .hidden = options.feed_forward,
                                                      .activation = options.activation,
                                                      .gated = options.gated},
                                                     rng))),
      dropout(child("dropout", Dropout(options.dropout, rng))),
      pre_norm_(options.pre_norm) {}

Tensor TransformerBlock::operator()(const Tensor& x, const AttendOptions& how) const {
  return call(x, [&] {
    if (pre_norm_) {
      const Tensor y = x + dropout(attention(norm1(x), how));
      return y + dropout(feed_forward(norm2(y)));
    }
    const Tensor y = norm1(x + dropout(attention(x, how)));
    return norm2(y + dropout(feed_forward(y)));
  });
}

namespace {

const TransformerOptions& checked(const TransformerOptions& options) {
  const auto at_least_1 = [](const char* name, int64_t value) {
    if (value < 1) fail("Transformer: wanted ", name, " >= 1; got ", value);
  };
  at_least_1("vocabulary", options.vocabulary);
  at_least_1("context", options.context);
  at_least_1("width", options.width);
  at_least_1("heads", options.heads);
  at_least_1("layers", options.layers);
  if (!(options.stddev >= 0)) fail("Transformer: wanted stddev >= 0; got ", options.stddev);
  return options;
}

}  // namespace

Transformer::Transformer(const TransformerOptions& options, Rng& rng)
    : tokens(child("tokens", Embedding(checked(options).vocabulary, options.width, rng))),
      dropout(child("dropout", Dropout(options.dropout, rng))),
      options_(options) {
  if (options.positions == Positions::learned) {
    positions = child("positions", LearnedPositions(options.context, options.width, rng));
  } else if (options.positions == Positions::sinusoidal) {
    sinusoids_ = sinusoidal_positions(options.context, options.width, Dtype::f64);
  }
  for (int64_t i = 0; i < options.layers; ++i) {
    TransformerBlock block({.width = options.width,
                            .heads = options.heads,
                            .feed_forward = options.feed_forward,
                            .dropout = options.dropout,
                            .activation = options.activation,
                            .gated = options.gated,
                            .norm = options.norm,
                            .pre_norm = options.pre_norm,
                            .rotary = options.positions == Positions::rotary},
                           rng);
    blocks.push_back(child(text("blocks.", i), block));
  }
  if (options.pre_norm) norm = child("norm", Norm(options.norm, options.width));
  if (!options.tie_weights) {
    head = child("head", Linear(options.width, options.vocabulary, rng, {.bias = false}));
  }
  initialize(rng);
}

void Transformer::initialize(Rng& rng) {
  const auto fill = [&](Tensor weight, int64_t residuals) {
    weight.copy_from(gpt2_normal(weight.shape(), rng, residuals, options_.stddev));
  };
  const auto clear = [](Tensor bias) { bias.copy_from(zeros(bias.shape())); };

  fill(tokens.weight, 1);
  if (positions) fill(positions->weight, 1);
  for (const TransformerBlock& block : blocks) {
    const MultiHeadAttention& attention = block.attention;
    const FeedForward& feed_forward = block.feed_forward;
    for (const Linear* map : {&attention.query, &attention.key, &attention.value, &feed_forward.up,
                              feed_forward.gate ? &*feed_forward.gate : nullptr}) {
      if (!map) continue;
      fill(map->weight, 1);
      clear(map->bias);
    }
    for (const Linear* map : {&attention.output, &feed_forward.down}) {  // these end the branches
      fill(map->weight, 2 * options_.layers);
      clear(map->bias);
    }
  }
  if (head) fill(head->weight, 1);
}

Tensor Transformer::features(const Tensor& ids, const Mask& mask, Tensors* weights) const {
  if (ids.rank() != 2 || ids.dtype() != Dtype::i64) {
    fail("Transformer: wanted ids i64 [B, T]; got ", ids.dtype(), ids.shape());
  }
  const int64_t length = ids.size(1);
  if (length > options_.context) {
    fail("Transformer: wanted at most ", options_.context, " tokens, the context; got ", length);
  }
  Tensor x = tokens(ids);  // [B, T, width]
  if (positions) {
    x = x + (*positions)(length);
  } else if (sinusoids_.defined()) {
    const Tensor places = slice(sinusoids_, 0, 0, length).to(x.dtype());
    x = x * std::sqrt(static_cast<double>(options_.width)) + places;
  }
  x = dropout(x);
  for (const TransformerBlock& block : blocks) {
    Tensor seen;
    const AttendOptions how{.mask = Mask::causal() & mask, .weights = weights ? &seen : nullptr};
    if (options_.recompute && !weights) {
      x = recompute([block, how](const Tensors& in) { return block(in[0], how); }, {x});
    } else {
      x = block(x, how);
    }
    if (weights) weights->push_back(seen);
  }
  return norm ? (*norm)(x) : x;
}

Tensor Transformer::operator()(const Tensor& ids, const Mask& mask) const {
  return call(ids, [&] {
    const Tensor x = features(ids, mask, nullptr);  // [B, T, width]
    return head ? (*head)(x) : linear(x, tokens.weight);
  });
}

Tensors Transformer::attention_weights(const Tensor& ids, const Mask& mask) const {
  Tensors weights;
  features(ids, mask, &weights);
  return weights;
}

}  // namespace rapt::nn
