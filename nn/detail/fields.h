#pragma once

// Private to rapt's own sources: the fields of the options, each with its name, for reading and
// writing them as Values. What is not listed here belongs to a call, and to no configuration.

#include <array>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

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

/// What goes through the fields of options, to write or to read them. One class for both, and
/// virtual: the lists below are compiled once.
class Fields {
 public:
  virtual ~Fields() = default;

  void operator()(const char* name, bool& field) { visit(name, field); }
  void operator()(const char* name, int64_t& field) { visit(name, field); }
  void operator()(const char* name, double& field) { visit(name, field); }
  void operator()(const char* name, std::vector<std::optional<int64_t>>& field) {
    visit(name, field);
  }
  template <class T>
  requires std::is_enum_v<T>
  void operator()(const char* name, T& field) {
    static constexpr auto names = names_of(T{});
    auto index = static_cast<size_t>(field);
    visit_choice(name, index, names);
    field = static_cast<T>(index);
  }
  template <class T>
  void operator()(const char* name, std::optional<T>& field) {
    if (!is_set(name, field.has_value())) return;
    if (!field) field.emplace();
    (*this)(name, *field);
  }
  /// Options inside of options: their names begin with this one's.
  template <class Options>
  requires std::is_class_v<Options>
  void operator()(const char* name, Options& field) {
    const size_t outer = enter(name);
    fields(*this, field);
    leave(outer);
  }

 protected:
  /// The whole name.
  std::string full(const char* name) const { return prefix_ + name; }

 private:
  size_t enter(const char* name);  // returns what leave() takes
  void leave(size_t outer);
  virtual void visit(const char* name, bool& field) = 0;
  virtual void visit(const char* name, int64_t& field) = 0;
  virtual void visit(const char* name, double& field) = 0;
  virtual void visit(const char* name, std::vector<std::optional<int64_t>>& field) = 0;
  virtual void visit_choice(const char* name, size_t& field,
                            std::span<const char* const> names) = 0;
  /// Whether an optional field is to be visited, which now `is_there` or not.
  virtual bool is_set(const char* name, bool is_there) = 0;

  std::string prefix_;
};

// ---- attention ----------------------------------------------------------------------------------

inline void fields(Fields& f, RotaryOptions& o) {
  f("base", o.base);
  f("pairs", o.pairs);
  f("width", o.width);
  f("scale", o.scale);
  f("ntk_factor", o.ntk_factor);
}

inline void fields(Fields& f, AttentionPositions& o) {
  f("kind", o.kind);
  f("rotary_options", o.rotary_options);
  f("buckets", o.buckets);
  f("max_distance", o.max_distance);
}

inline void fields(Fields& f, MultiHeadAttentionOptions& o) {
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

inline void fields(Fields& f, RelativeBiasOptions& o) {
  f("heads", o.heads);
  f("buckets", o.buckets);
  f("max_distance", o.max_distance);
  f("causal", o.causal);
}

inline void fields(Fields& f, SelfAttentionOptions& o) { f("maps", o.maps); }

// ---- models -------------------------------------------------------------------------------------

inline void fields(Fields& f, FeedForwardOptions& o) {
  f("width", o.width);
  f("hidden", o.hidden);
  f("activation", o.activation);
  f("gated", o.gated);
  f("bias", o.bias);
}

inline void fields(Fields& f, TransformerBlockOptions& o) {
  f("width", o.width);
  f("attention", o.attention);
  f("cross_attention", o.cross_attention);
  f("memory_width", o.memory_width);
  f("feed_forward", o.feed_forward);
  f("norm", o.norm);
  f("pre_norm", o.pre_norm);
  f("dropout", o.dropout);
}

inline void fields(Fields& f, TransformerStackOptions& o) {
  f("width", o.width);
  f("layers", o.layers);
  f("block", o.block);
  f("windows", o.windows);
  f("final_norm", o.final_norm);
  f("recompute", o.recompute);
}

inline void fields(Fields& f, TokenEmbeddingOptions& o) {
  f("vocabulary", o.vocabulary);
  f("context", o.context);
  f("width", o.width);
  f("positions", o.positions);
  f("dropout", o.dropout);
}

inline void fields(Fields& f, TransformerOptions& o) {
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

inline void fields(Fields& f, SequenceOptions& o) {
  f("vocabulary", o.vocabulary);
  f("context", o.context);
}

inline void fields(Fields& f, EncoderDecoderOptions& o) {
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

inline void fields(Fields& f, ClassifierOptions& o) {
  f("encoder", o.encoder);
  f("classes", o.classes);
  f("pooling", o.pooling);
}

inline void fields(Fields& f, TaggerOptions& o) {
  f("encoder", o.encoder);
  f("tags", o.tags);
}

// ---- recurrent layers ---------------------------------------------------------------------------

inline void fields(Fields& f, RNNOptions& o) {
  f("input", o.input);
  f("hidden", o.hidden);
  f("layers", o.layers);
  f("bidirectional", o.bidirectional);
  f("dropout", o.dropout);
  f("bias", o.bias);
  f("nonlinearity", o.nonlinearity);
}

inline void fields(Fields& f, RecurrentDirection::Options& o) {
  f("kind", o.kind);
  f("input", o.input);
  f("hidden", o.hidden);
  f("bias", o.bias);
  f("reverse", o.reverse);
  f("nonlinearity", o.nonlinearity);
}

inline void fields(Fields& f, RecurrentEncoderDecoderOptions& o) {
  f("source_vocabulary", o.source_vocabulary);
  f("target_vocabulary", o.target_vocabulary);
  f("width", o.width);
  f("hidden", o.hidden);
  f("score", o.score);
  f("cell", o.cell);
  f("dropout", o.dropout);
}

}  // namespace rapt::nn::detail
