#pragma once

#include <optional>
#include <vector>

#include "rapt/nn/attention/multi_head.h"
#include "rapt/nn/embedding.h"
#include "rapt/nn/feed_forward.h"
#include "rapt/nn/normalization.h"
#include "rapt/nn/position/learned.h"
#include "rapt/nn/position/sinusoidal.h"

namespace rapt::nn {

struct TransformerBlockOptions {
  int64_t width = 0;
  int64_t heads = 0;
  int64_t feed_forward = 0;  ///< width of the hidden layer; 0 stands for 4 * width
  double dropout = 0;        ///< of attention weights, and of what each branch adds
  Activation activation = Activation::gelu_tanh;
  bool gated = false;  ///< see FeedForwardOptions
  NormKind norm = NormKind::layer;
  bool pre_norm = true;  ///< x + f(norm(x)); otherwise norm(x + f(x)), as in the paper
  bool rotary = false;   ///< see MultiHeadAttentionOptions
};

/// Self-attention and a feed-forward layer, each on a residual branch: post-norm as in
/// arXiv:1706.03762, or pre-norm (arXiv:2002.04745).   x [B, T, width] -> the same
class TransformerBlock : public Module {
 public:
  TransformerBlock(const TransformerBlockOptions& options, Rng& rng);
  Tensor operator()(const Tensor& x, const AttendOptions& how = {}) const;

  Norm norm1;
  MultiHeadAttention attention;
  Norm norm2;
  FeedForward feed_forward;
  Dropout dropout;

 private:
  bool pre_norm_;
};

/// How a model knows where a token stands: see position.h.
enum class Positions { learned, sinusoidal, rotary };

struct TransformerOptions {
  int64_t vocabulary = 0;
  int64_t context = 0;  ///< the longest sequence, in tokens
  int64_t width = 64;
  int64_t heads = 4;
  int64_t layers = 2;
  double dropout = 0;        ///< of embeddings, attention weights and branches
  int64_t feed_forward = 0;  ///< width of the hidden layer; 0 stands for 4 * width
  Activation activation = Activation::gelu_tanh;
  bool gated = false;  ///< see FeedForwardOptions
  NormKind norm = NormKind::layer;
  bool pre_norm = true;  ///< see TransformerBlockOptions
  Positions positions = Positions::learned;
  bool tie_weights = false;  ///< the head uses the embedding of the tokens (arXiv:1608.05859)
  double stddev = 0.02;      ///< of the initial weights, see gpt2_normal
  bool recompute = false;    ///< keep only what enters each block, and run the blocks again in
                             ///< backward(): less memory, more time, the same bits
};

/// A decoder-only Transformer, as GPT-2: each place predicts the next token from those up to it.
///
/// ids i64 [B, T], T <= context, each in [0, vocabulary) -> logits [B, T, vocabulary]
///
/// Sinusoidal positions come with embeddings times sqrt(width) (arXiv:1706.03762, section 3.4).
/// Pre-norm models end with a norm of their own before the head; the head has no bias.
class Transformer : public Module {
 public:
  Transformer(const TransformerOptions& options, Rng& rng);

  /// mask narrows what each place may attend to beyond causality: Mask::lengths(lengths), say, or a
  /// tensor that broadcasts to [B, heads, T, T].
  /// Throws when T is above the context, or an id is outside the vocabulary.
  Tensor operator()(const Tensor& ids, const Mask& mask = {}) const;
  /// The attention weights of the same call, one [B, heads, T, T] for each layer.
  Tensors attention_weights(const Tensor& ids, const Mask& mask = {}) const;

  const TransformerOptions& options() const { return options_; }

  Embedding tokens;
  std::optional<LearnedPositions> positions;  ///< when they are learned
  Dropout dropout;
  std::vector<TransformerBlock> blocks;
  std::optional<Norm> norm;    ///< when the blocks are pre-norm
  std::optional<Linear> head;  ///< [vocabulary, width], when its weights are not tied

 private:
  Tensor features(const Tensor& ids, const Mask& mask, Tensors* weights) const;
  void initialize(Rng& rng);

  TransformerOptions options_;
  Tensor sinusoids_;  // f64 [context, width], when positions are sinusoidal
};

}  // namespace rapt::nn
