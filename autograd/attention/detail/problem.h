#pragma once

// Private to attention: one call of it, with its mask and score made ready.

#include <memory>
#include <optional>
#include <utility>

#include "rapt/autograd/attention/detail/parts.h"
#include "rapt/autograd/attention/detail/span_mask.h"

namespace rapt {

class AttentionProblem {
 public:
  using Block = ScoreBlock;

  /// Added to the scores; where it is -inf, it masks.
  struct Added {
    Tensor tensor;     // broadcasts to [batch..., queries, keys]; or, if relative, [...,
    bool is_relative;  // queries + keys - 1], of which queries - 1 + key - query is added
  };

  /// `function` is what the user called. `dtype`: of what may be added; any if not given. Throws
  /// when the mask does not fit.
  AttentionProblem(const char* function, const Shape& entries, int64_t query_count,
                   int64_t key_count, const Mask& mask, std::optional<Dtype> dtype = {});

  /// q and k such that the score is the product of the two (or additive's, of the same width).
  static std::pair<Tensor, Tensor> prepared(const char* function, const Score& score,
                                            const Tensor& q, const Tensor& k);
  /// width: of a prepared query.
  void set_score(const Score& score, int64_t width, Dtype dtype);
  void set_sink(const Tensor& given, Dtype dtype);

  /// What the result depends on, in this order: q, k, v, what is added, the sink and the additive
  /// score's weight, if they are there.
  Tensors inputs(const Tensor& q, const Tensor& k, const Tensor& v) const;
  /// Where they lie among the inputs.
  size_t added_at(size_t i) const { return 3 + i; }
  size_t sink_at() const { return 3 + added.size(); }
  size_t weight_at() const { return sink_at() + (sink.defined() ? 1 : 0); }

  Block whole() const { return {0, queries, 0, keys}; }
  /// Those queries, and the keys that one of them may see in some entry of the batch.
  Block of_rows(int64_t row, int64_t rows) const { return by_place_.of_rows(row, rows); }
  /// [batch..., queries, keys].
  Shape full_shape() const;
  /// The block of the i-th that is added, which `x` is: broadcast to [batch..., rows, keys].
  Tensor part_of_added(size_t i, const Tensor& x, const Block& block) const;

  /// True when the kernels cannot do it: they ask no functions of the user's, and know products.
  bool needs_ops() const {
    return !mask_functions_.empty() || !score_functions_.empty() || weight.defined();
  }
  bool has_functions() const { return !score_functions_.empty(); }
  /// b8, broadcast to [batch..., rows, keys]: true where a query is kept from a key; undefined if
  /// none is.
  Tensor masked(const Block& block) const;
  /// What the functions of the score make of the scores [..., rows, keys].
  Tensor through_functions(Tensor scores, const Block& block) const;

  kernels::KeySpans spans() const { return by_place_.spans(); }

  const char* op;
  Shape batch;
  int64_t queries, keys;
  int64_t group = 1;  // heads of q, the last axis of the batch, that share one of k and v
  double scale = 1;
  std::optional<double> soft_cap;
  Tensor weight;    // of an additive score, [..., d]; else undefined
  Tensors allowed;  // b8
  PoolVector<Added> added;
  Tensor sink;  // broadcasts to the batch; or undefined

 private:
  void add(const Mask::Part& part, std::optional<Dtype> dtype);
  void add_tensor(const Tensor& tensor, std::optional<Dtype> dtype);
  Tensor with_first_axes(const Tensor& tensor) const;

  SpanMask by_place_;
  PoolVector<std::shared_ptr<const Mask::Function>> mask_functions_;
  PoolVector<std::shared_ptr<const Score::Function>> score_functions_;
};

}  // namespace rapt
