#pragma once

#include <optional>

#include "rapt/nn/attention/multi_head.h"
#include "rapt/nn/feed_forward.h"
#include "rapt/nn/normalization.h"

namespace rapt::nn {

struct TransformerBlockOptions {
  int64_t width = 0;
  MultiHeadAttentionOptions attention = {};  ///< its width, and its dropout unless given, are the
                                             ///< block's
  bool cross_attention = false;  ///< also to a memory, with the same kind of heads and scores
  int64_t memory_width = 0;      ///< 0 stands for width
  FeedForwardOptions feed_forward = {};  ///< its width is the block's
  NormKind norm = NormKind::layer;
  bool pre_norm = true;  ///< x + f(norm(x)) (arXiv:2002.04745); otherwise norm(x + f(x)), as in the
                         ///< paper
  std::optional<double> dropout = {};  ///< of what each branch adds; unset: 0, or the model's
};

/// What a block, or a stack of them, attends to.
struct TransformerInputs {
  Mask mask = {};                  ///< of self-attention
  Tensor memory = {};              ///< for cross-attention, [B, S, memory_width]
  Mask memory_mask = {};           ///< of cross-attention: Mask::lengths, say
  KeyValueCache* cache = nullptr;  ///< see AttendOptions
  /// Of MultiHeadAttentionOptions::value_residual: see AttendOptions.
  Tensor* first_values = nullptr;
};

/// Self-attention, cross-attention if it is asked for, and a feed-forward layer, each on a residual
/// branch (arXiv:1706.03762, section 3.1).   x [B, T, width] -> the same
class TransformerBlock : public Module {
 public:
  TransformerBlock(const TransformerBlockOptions& options, Rng& rng);
  Tensor operator()(const Tensor& x, const TransformerInputs& how = {}) const;

  /// With what a 0 stands for in its place.
  const TransformerBlockOptions& options() const { return options_; }

  Norm norm1;
  MultiHeadAttention attention;
  std::optional<Norm> cross_norm;
  std::optional<MultiHeadAttention> cross_attention;
  Norm norm2;
  FeedForward feed_forward;
  Dropout dropout;

 private:
  struct Filled {
    TransformerBlockOptions options;  // without zeros that stand for something
  };
  TransformerBlock(const Filled& filled, Rng& rng);
  /// x and what f makes of it, with the norm in its place.
  Tensor branch(const Tensor& x, const Norm& norm, FunctionRef<Tensor(const Tensor&)> f) const;

  TransformerBlockOptions options_;
};

}  // namespace rapt::nn
