#pragma once

// Private to attention: one call of it, with its mask and score made ready.

#include <memory>
#include <optional>

#include "rapt/autograd/attention/detail/parts.h"
#include "rapt/autograd/kernels/attention/attention.h"

namespace rapt {

class AttentionProblem {
 public:
  /// Queries [row, row + rows) and keys [key, key + keys).
  struct Block {
    int64_t row, rows, key, keys;
  };

  /// `function` is what the user called. `dtype`: of what may be added; any if not given. Throws
  /// when the mask does not fit.
  AttentionProblem(const char* function, const Shape& entries, int64_t query_count,
                   int64_t key_count, const Mask& mask, std::optional<Dtype> dtype = {});

  /// width: of a query, for the scale.
  void set_score(const Score& score, int64_t width);

  Block whole() const { return {0, queries, 0, keys}; }
  /// Those queries, and the keys that one of them may see in some entry of the batch.
  Block of_rows(int64_t row, int64_t rows) const;
  /// [batch..., queries, keys].
  Shape full_shape() const;

  /// True when functions of the user's have a say, which kernels cannot ask.
  bool has_functions() const { return !mask_functions_.empty() || !score_functions_.empty(); }
  /// b8, broadcast to [batch..., rows, keys]: true where a query is kept from a key; undefined if
  /// none is.
  Tensor masked(const Block& block) const;
  /// What the functions of the score make of the scores [..., rows, keys].
  Tensor through_functions(Tensor scores, const Block& block) const;

  kernels::KeySpans spans() const;

  const char* op;
  Shape batch;
  int64_t queries, keys;
  double scale = 1;
  std::optional<double> soft_cap;
  Tensors allowed;  // b8
  Tensors added;    // to the scores

 private:
  struct Band {
    int64_t lower, diagonal;
    Tensor prefix;  // i64, one for each entry of the batch; or undefined
  };

  void add(const Mask::Part& part, std::optional<Dtype> dtype);
  void add_tensor(const Tensor& tensor, std::optional<Dtype> dtype);
  Tensor for_each_entry(const Tensor& lengths) const;
  Tensor outside_spans(const Block& block) const;

  PoolVector<Band> bands_;
  Tensor lengths_;  // as prefix
  PoolVector<std::shared_ptr<const Mask::Function>> mask_functions_;
  PoolVector<std::shared_ptr<const Score::Function>> score_functions_;
};

/// The part of a tensor that broadcasts to [..., queries, keys]: the block.
Tensor part_of(const Tensor& x, const AttentionProblem::Block& block);

}  // namespace rapt
