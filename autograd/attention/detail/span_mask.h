#pragma once

// Private to attention: the parts of a mask that go by the places of queries and keys alone.

#include "rapt/autograd/kernels/attention/attention.h"
#include "rapt/autograd/tensor.h"

namespace rapt {

/// Queries [row, row + rows) and keys [key, key + keys).
struct ScoreBlock {
  int64_t row, rows, key, keys;
};

/// What bands, lengths and documents allow together: to each query one span of keys.
class SpanMask {
 public:
  /// `op` is what the user called; it names the errors.
  SpanMask(const char* op, const Shape& batch, int64_t queries, int64_t keys)
      : op_(op), batch_(batch), queries_(queries), keys_(keys) {}

  /// Query i sees keys [i + lower, i + diagonal]; with a prefix, i64 of the first axes of the
  /// batch, also those before it.
  void add_band(int64_t lower, int64_t diagonal, const Tensor& prefix);
  void add_lengths(const Tensor& lengths);
  /// Query i belongs to the document of the place i + offset.   documents i64 [..., keys]
  void add_documents(const Tensor& documents, int64_t offset);

  bool is_empty() const { return bands_.empty() && !lengths_.defined() && documents_.empty(); }
  /// For the kernels, while this lives.
  kernels::KeySpans spans() const;
  /// Those queries, and the keys that one of them may see in some entry of the batch.
  ScoreBlock of_rows(int64_t row, int64_t rows) const;
  /// b8 [rows, keys], or [batch..., rows, keys] where entries differ: true outside the spans.
  Tensor outside(const ScoreBlock& block) const;

 private:
  struct Band {
    int64_t lower, diagonal;
    Tensor prefix;  // i64, one for each entry of the batch; or undefined
  };

  Tensor for_each_entry(const char* what, const Tensor& lengths) const;
  bool entries_differ() const;

  const char* op_;
  Shape batch_;
  int64_t queries_, keys_;
  PoolVector<Band> bands_;
  Tensor lengths_;                          // i64, one for each entry of the batch; or undefined
  PoolVector<kernels::KeySpan> documents_;  // [entries, keys]: the document of each place; or empty
  int64_t documents_offset_ = 0;
};

}  // namespace rapt
