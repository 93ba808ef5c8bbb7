#pragma once

// Private to rapt's own sources: the fields of the options, each with its name, for reading and
// writing them as Values. What is not listed here belongs to a call, and to no configuration.

#include <array>
#include <string_view>

#include "rapt/nn/attention/self_attention.h"
#include "rapt/nn/models/classifier.h"
#include "rapt/nn/models/encoder_decoder.h"
#include "rapt/nn/recurrent/encoder_decoder.h"
#include "rapt/nn/recurrent/rnn.h"

namespace rapt::nn::detail {

// ---- the names of choices, in the order of their enum -------------------------------------------

constexpr auto names_of(NormKind) { return std::array{"layer", "rms"}; }
constexpr auto names_of(Activation) {
  return std::array{"relu", "gelu", "gelu_tanh", "silu", "relu_squared", "sigmoid", "identity"};
}
constexpr auto names_of(ScoreKind) {
  return std::array{"scaled_dot", "dot", "bilinear", "additive", "cosine"};
}
constexpr auto names_of(AttentionPositions::Kind) {
  return std::array{"none", "rotary", "alibi", "relative_bias", "relative_keys"};
}
constexpr auto names_of(RotaryPairs) { return std::array{"adjacent", "halves"}; }
constexpr auto names_of(Positions) { return std::array{"none", "learned", "sinusoidal"}; }
constexpr auto names_of(PoolingKind) { return std::array{"first", "mean", "max", "attention"}; }
constexpr auto names_of(RecurrentKind) { return std::array{"rnn", "lstm", "gru"}; }
constexpr auto names_of(RnnNonlinearity) { return std::array{"tanh", "relu"}; }

// ---- attention ----------------------------------------------------------------------------------

void fields(auto& f, RotaryOptions& o) {
  f("base", o.base);
  f("pairs", o.pairs);
  f("width", o.width);
  f("scale", o.scale);
  f("ntk_factor", o.ntk_factor);
}

void fields(auto& f, AttentionPositions& o) {
  f("kind", o.kind);
  f("rotary_options", o.rotary_options);
  f("buckets", o.buckets);
  f("max_distance", o.max_distance);
}

void fields(auto& f, MultiHeadAttentionOptions& o) {
  f("width", o.width);
  f("heads", o.heads);
  f("key_value_heads", o.key_value_heads);
  f("head_width", o.head_width);
  f("memory_width", o.memory_width);
  f("dropout", o.dropout);
  f("bias", o.bias);
  f("score", o.score);
  f("soft_cap", o.soft_cap);
  f("query_key_norm", o.query_key_norm);
  f("positions", o.positions);
  f("window", o.window);
  f("sink", o.sink);
  f("gate", o.gate);
  f("value_residual", o.value_residual);
}

void fields(auto& f, RelativeBiasOptions& o) {
  f("heads", o.heads);
  f("buckets", o.buckets);
  f("max_distance", o.max_distance);
  f("causal", o.causal);
}

void fields(auto& f, SelfAttentionOptions& o) { f("maps", o.maps); }

// ---- models -------------------------------------------------------------------------------------

void fields(auto& f, FeedForwardOptions& o) {
  f("width", o.width);
  f("hidden", o.hidden);
  f("activation", o.activation);
  f("gated", o.gated);
  f("bias", o.bias);
}

void fields(auto& f, TransformerBlockOptions& o) {
  f("width", o.width);
  f("attention", o.attention);
  f("cross_attention", o.cross_attention);
  f("memory_width", o.memory_width);
  f("feed_forward", o.feed_forward);
  f("norm", o.norm);
  f("pre_norm", o.pre_norm);
  f("dropout", o.dropout);
}

void fields(auto& f, TransformerStackOptions& o) {
  f("width", o.width);
  f("layers", o.layers);
  f("block", o.block);
  f("windows", o.windows);
  f("final_norm", o.final_norm);
  f("recompute", o.recompute);
}

void fields(auto& f, TokenEmbeddingOptions& o) {
  f("vocabulary", o.vocabulary);
  f("context", o.context);
  f("width", o.width);
  f("positions", o.positions);
  f("dropout", o.dropout);
}

void fields(auto& f, TransformerOptions& o) {
  f("vocabulary", o.vocabulary);
  f("context", o.context);
  f("width", o.width);
  f("layers", o.layers);
  f("block", o.block);
  f("dropout", o.dropout);
  f("positions", o.positions);
  f("windows", o.windows);
  f("final_norm", o.final_norm);
  f("tie_weights", o.tie_weights);
  f("stddev", o.stddev);
  f("recompute", o.recompute);
}

void fields(auto& f, SequenceOptions& o) {
  f("vocabulary", o.vocabulary);
  f("context", o.context);
}

void fields(auto& f, EncoderDecoderOptions& o) {
  f("source", o.source);
  f("target", o.target);
  f("width", o.width);
  f("layers", o.layers);
  f("decoder_layers", o.decoder_layers);
  f("block", o.block);
  f("dropout", o.dropout);
  f("positions", o.positions);
  f("final_norm", o.final_norm);
  f("share_embeddings", o.share_embeddings);
  f("tie_weights", o.tie_weights);
  f("stddev", o.stddev);
  f("recompute", o.recompute);
}

void fields(auto& f, ClassifierOptions& o) {
  f("encoder", o.encoder);
  f("classes", o.classes);
  f("pooling", o.pooling);
}

void fields(auto& f, PoolingSettings& o) {
  f("kind", o.kind);
  f("width", o.width);
}

void fields(auto& f, TaggerOptions& o) {
  f("encoder", o.encoder);
  f("tags", o.tags);
}

// ---- recurrent layers ---------------------------------------------------------------------------

void fields(auto& f, RNNOptions& o) {
  f("input", o.input);
  f("hidden", o.hidden);
  f("layers", o.layers);
  f("bidirectional", o.bidirectional);
  f("dropout", o.dropout);
  f("bias", o.bias);
  f("nonlinearity", o.nonlinearity);
}

void fields(auto& f, RecurrentDirection::Options& o) {
  f("kind", o.kind);
  f("input", o.input);
  f("hidden", o.hidden);
  f("bias", o.bias);
  f("reverse", o.reverse);
  f("nonlinearity", o.nonlinearity);
}

void fields(auto& f, RecurrentEncoderDecoderOptions& o) {
  f("source_vocabulary", o.source_vocabulary);
  f("target_vocabulary", o.target_vocabulary);
  f("width", o.width);
  f("hidden", o.hidden);
  f("score", o.score);
  f("cell", o.cell);
  f("dropout", o.dropout);
}

}  // namespace rapt::nn::detail
