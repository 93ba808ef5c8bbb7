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

  /// Where query 0 stands: everywhere at the same place; or, with starts, i64 of the first axes of
  /// the batch, each entry's at its own.
  struct Place {
    int64_t everywhere;
    Tensor starts;
  };

  /// A query at place t sees keys [t - before, t + after]; with a prefix, i64 of the first axes of
  /// the batch, also those before it.
  void add_band(int64_t before, int64_t after, const Place& first_query, const Tensor& prefix);
  void add_lengths(const Tensor& lengths);
  /// A query belongs to the document of its place.   documents i64 [..., keys]
  void add_documents(const Tensor& documents, const Place& first_query);

  bool is_empty() const { return bands_.empty() && !lengths_.defined() && documents_.empty(); }
  /// For the kernels, while this lives.
  kernels::KeySpans spans() const;
  /// Those queries, and the keys that one of them may see in some entry of the batch.
  ScoreBlock of_rows(int64_t row, int64_t rows) const;
  /// b8 [rows, keys], or [batch..., rows, keys] where entries differ: true outside the spans.
  Tensor outside(const ScoreBlock& block) const;

 private:
  struct Band {
    int64_t lower, diagonal;  // counted from the place of query 0
    Tensor starts, prefix;    // i64, one for each entry of the batch; or undefined
  };

  Tensor for_each_entry(const char* what, const Tensor& lengths) const;
  /// With starts for each entry of the batch.
  Place for_each_entry(const Place& place) const;
  bool entries_differ() const;

  const char* op_;
  Shape batch_;
  int64_t queries_, keys_;
  PoolVector<Band> bands_;
  Tensor lengths_;                          // i64, one for each entry of the batch; or undefined
  PoolVector<kernels::KeySpan> documents_;  // [entries, keys]: the document of each place; or empty
  Place documents_place_ = {};              // of query 0 in them
};

}  // namespace rapt
