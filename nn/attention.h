#pragma once

#include "rapt/autograd/attention/mask.h"
#include "rapt/nn/dropout.h"
#include "rapt/nn/linear.h"

namespace rapt::nn {

struct MultiHeadAttentionOptions {
  int64_t width = 0;
  int64_t heads = 0;         ///< divides width
  int64_t memory_width = 0;  ///< of what keys and values are made from; 0 stands for width
  double dropout = 0;        ///< probability of dropping a weight
  bool bias = true;
  bool rotary = false;  ///< turn queries and keys by their places (position.h); self-attention only
};

/// How one call attends.
struct AttendOptions {
  /// Which keys each query may attend to: Mask::causal() & Mask::lengths(lengths), say, or a tensor
  /// that broadcasts to [B, H, Tq, Tk].
  Mask mask = {};
  Tensor* weights = nullptr;  ///< if given, set to the weights of each head: [B, H, Tq, Tk]
};

/// Multi-head attention (arXiv:1706.03762, section 3.2.2), batch first. Every head has
/// width / heads columns of the maps query, key and value; `output` maps the heads, side by side,
/// back to the width. A query that may attend to nothing gets output's bias.
class MultiHeadAttention : public Module {
 public:
  MultiHeadAttention(const MultiHeadAttentionOptions& options, Rng& rng);

  /// Self-attention.   x [B, T, width] -> the same
  Tensor operator()(const Tensor& x, const AttendOptions& how = {}) const;
  /// Cross-attention: queries from x, keys and values from memory.
  /// x [B, Tq, width], memory [B, Tk, memory_width] -> [B, Tq, width]
  Tensor operator()(const Tensor& x, const Tensor& memory, const AttendOptions& how = {}) const;

  Linear query, key, value, output;
  Dropout dropout;

 private:
  // [B, T, width] -> a view, [B, H, T, d]
  Tensor heads_of(const Tensor& x) const;
  Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, const AttendOptions& how) const;

  int64_t heads_;
  bool rotary_;
};

}  // namespace rapt::nn
