#pragma once

#include <optional>

#include "rapt/autograd/attention/mask.h"
#include "rapt/autograd/attention/score.h"
#include "rapt/nn/attention/cache.h"
#include "rapt/nn/dropout.h"
#include "rapt/nn/linear.h"
#include "rapt/nn/normalization.h"
#include "rapt/nn/position/attention_positions.h"

namespace rapt::nn {

/// How a query and a key of a head become a score: see Score, which has the formulas.
enum class ScoreKind { scaled_dot, dot, bilinear, additive, cosine };

struct MultiHeadAttentionOptions {
  int64_t width = 0;
  int64_t heads = 0;            ///< of queries
  int64_t key_value_heads = 0;  ///< divides heads: so many of them share a head of keys and values
                                ///< (arXiv:2305.13245; 1: arXiv:1911.02150); 0 stands for heads
  int64_t head_width = 0;       ///< 0 stands for width / heads, which is then whole
  int64_t memory_width = 0;     ///< of what keys and values are made from; 0 stands for width
  double dropout = 0;           ///< probability of dropping a weight
  bool bias = true;             ///< of the maps
  ScoreKind score = ScoreKind::scaled_dot;
  std::optional<double> soft_cap = {};          ///< see ScoreOptions; of products
  std::optional<NormKind> query_key_norm = {};  ///< a norm of each head's queries and keys
  AttentionPositions positions = {};            ///< for self-attention
  std::optional<int64_t> window = {};           ///< keys up to so many places away, to either side
  bool sink = false;  ///< a trained one for each head: see AttentionOptions
  bool gate = false;  ///< what the heads give, times sigmoid(gate(x)), before `output`
                      ///< (arXiv:2505.06708)
};

/// How one call attends.
struct AttendOptions {
  /// Which keys each query may attend to: Mask::causal() & Mask::lengths(lengths), say, or a tensor
  /// that broadcasts to [B, H, Tq, Tk].
  Mask mask = {};
  Tensor* weights = nullptr;  ///< if given, set to the weights of each head: [B, H, Tq, Tk]
  /// What x's tokens come behind: they attend to those as well. x is then the tokens of the cache's
  /// CacheStep; memory has to be that of its first step.
  KeyValueCache* cache = nullptr;
};

/// Multi-head attention (arXiv:1706.03762, section 3.2.2), batch first. Every head has head_width
/// columns of the maps query, key and value; `output` maps the heads, side by side, back to the
/// width. A query that may attend to nothing gets output's bias.
class MultiHeadAttention : public Module {
 public:
  MultiHeadAttention(const MultiHeadAttentionOptions& options, Rng& rng);

  /// Self-attention.   x [B, T, width] -> the same
  Tensor operator()(const Tensor& x, const AttendOptions& how = {}) const;
  /// Cross-attention: queries from x, keys and values from memory.
  /// x [B, Tq, width], memory [B, Tk, memory_width] -> [B, Tq, width]
  Tensor operator()(const Tensor& x, const Tensor& memory, const AttendOptions& how = {}) const;

  /// With what a 0 stands for in its place.
  const MultiHeadAttentionOptions& options() const { return options_; }

  Linear query, key, value, output;
  Dropout dropout;
  std::optional<Norm> query_norm, key_norm;   ///< of a head's columns
  std::optional<RelativeBias> relative_bias;  ///< T5's
  std::optional<RelativeKeys> relative_keys;  ///< Shaw's
  std::optional<Linear> gate;
  /// Bilinear: [H, d, d], starts as the identity. Additive: [H, d], uniform in +-1 / sqrt(d).
  /// Cosine: the scale, [H, 1, 1], starts at 10. Else undefined.
  Tensor score_weight;
  Tensor sink;  ///< [H], starts at 0; or undefined

 private:
  struct Filled {
    MultiHeadAttentionOptions options;  // without zeros that stand for something
  };
  MultiHeadAttention(const Filled& filled, Rng& rng);

  // [B, T, heads * d] -> a view, [B, heads, T, d]
  Tensor heads_of(const Tensor& x) const;
  Tensor self_attend(const Tensor& x, Tensor q, Tensor k, Tensor v, const AttendOptions& how) const;
  Tensor attend(const Tensor& x, const Tensor& q, const Tensor& k, const Tensor& v,
                const Mask& mask, const Score& score, const AttendOptions& how) const;
  Score score_of(const Tensor& q, int64_t keys, const Tensor& starts) const;

  MultiHeadAttentionOptions options_;
  Tensor alibi_slopes_;  // [H]; or undefined
};

}  // namespace rapt::nn
