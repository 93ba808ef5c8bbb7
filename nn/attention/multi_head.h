#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "rapt/autograd/attention/mask.h"
#include "rapt/autograd/attention/score.h"
#include "rapt/nn/attention/cache.h"
#include "rapt/nn/dropout.h"
#include "rapt/nn/linear.h"
#include "rapt/nn/normalization.h"
#include "rapt/nn/position/attention_positions.h"
#include "rapt/nn/probe.h"

namespace rapt {
struct AttentionOptions;
}

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
  std::optional<double> dropout = {};  ///< probability of dropping a weight; unset: 0, or that of
                                       ///< the block it is in
  bool bias = true;                    ///< of the maps
  ScoreKind score = ScoreKind::scaled_dot;
  std::optional<double> soft_cap = {};          ///< see ScoreOptions; of products
  std::optional<NormKind> query_key_norm = {};  ///< a norm of each head's queries and keys
  AttentionPositions positions = {};            ///< for self-attention
  std::optional<int64_t> window = {};           ///< keys up to so many places away, to either side
  bool sink = false;  ///< a trained one for each head: see AttentionOptions
  bool gate = false;  ///< what the heads give, times sigmoid(gate(x)), before `output`
                      ///< (arXiv:2505.06708)
  /// a v + b v1 instead of v, where v1 are the values of the first layer and a, b are trained
  /// (arXiv:2410.17897): AttendOptions::first_values.
  bool value_residual = false;
};

/// How one call attends.
struct AttendOptions {
  /// Which keys each query may attend to: Mask::causal() & Mask::lengths(lengths), say; or a tensor
  /// [B, H, Tq, Tk], 1 where all share it. Of fewer axes, the mask says which they are: Mask::keys
  /// and Mask::pairs.
  Mask mask = {};
  Tensor* weights = nullptr;  ///< if given, set to the weights of each head: [B, H, Tq, Tk]
  /// What x's tokens come behind: they attend to those as well. x is then the tokens of the cache's
  /// CacheStep; memory has to be that of its first step.
  KeyValueCache* cache = nullptr;
  /// The values of the first layer, [B, H, T, d]; if undefined, set to this one's.
  Tensor* first_values = nullptr;
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

  /// As it was built, with what a 0 stands for in its place.
  const MultiHeadAttentionOptions& options() const;

  /// Leaves only these of its heads, in this order: the layer gets smaller, in all its copies, and
  /// so does what is saved. Heads that share keys and values are kept together. Gradients are
  /// dropped; build the optimizer afterwards. See head_importance.
  void keep_heads(const std::vector<int64_t>& heads);
  /// The heads that are left, as they were numbered when it was built.
  const std::vector<int64_t>& kept_heads() const;

  Linear query, key, value, output;
  Dropout dropout;
  std::optional<Norm> query_norm, key_norm;   ///< of a head's columns
  std::optional<RelativeBias> relative_bias;  ///< T5's
  std::optional<RelativeKeys> relative_keys;  ///< Shaw's
  std::optional<Linear> gate;
  /// Bilinear: [H, d, d], starts as the identity. Additive: [H, d], uniform in +-1 / sqrt(d).
  /// Cosine: the scale, [H, 1, 1], starts at 10. Else undefined.
  Tensor score_weight;
  Tensor sink;       ///< [H], starts at 0; or undefined
  Tensor value_mix;  ///< a and b of value_residual, start at 0.5; or undefined
  Probe heads;       ///< what hooks see as "heads": [B, H, Tq, d]
  Probe weights;     ///< and, where they ask for it, as "weights": [B, H, Tq, Tk]

 private:
  struct Filled {
    MultiHeadAttentionOptions options;  // without zeros that stand for something
  };
  MultiHeadAttention(const Filled& filled, Rng& rng);

  // The maps query, key, value of x as heads, [B, heads, T, d].
  Tensor heads_of(const Tensor& x) const;
  Tensor self_attend(const Tensor& x, Tensor q, Tensor k, Tensor v, const AttendOptions& how) const;
  Tensor attend(const Tensor& x, const Tensor& q, const Tensor& k, const Tensor& v,
                const Mask& mask, const Score& score, const AttendOptions& how) const;
  Tensor slopes_of_kept_heads(Dtype dtype) const;  // ALiBi's, [H]
  Score score_of(const Tensor& q, int64_t keys, const Tensor& starts) const;

  Tensor mixed_values(const Tensor& v, const AttendOptions& how) const;
  Tensor heads_through_hooks(const Tensor& q, const Tensor& k, const Tensor& v,
                             const AttentionOptions& options) const;

  struct Body;  // what copies share
  std::shared_ptr<Body> body_;
};

/// Each head's columns on an axis of their own, as a view: for an attention of the user's own.
/// x [..., T, heads * d] -> [..., heads, T, d]
///
///   const Tensor q = split_heads(layer.query(x), heads);  // and k and v
///   return layer.output(merge_heads(attention(q, k, v)));
Tensor split_heads(const Tensor& x, int64_t heads);
/// The heads side by side again.   x [..., heads, T, d] -> [..., T, heads * d]
Tensor merge_heads(const Tensor& x);

}  // namespace rapt::nn
