#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "rapt/autograd/kernels/gemm/gemm.h"
#include "rapt/autograd/kernels/gemm/matrix.h"
#include "rapt/autograd/kernels/softmax.h"
#include "rapt/autograd/philox_key.h"
#include "rapt/autograd/pool.h"
#include "rapt/autograd/shape.h"

/// Attention that never holds the queries x keys weights: a block of them at a time, with a running
/// softmax (FlashAttention, arXiv:2205.14135); the backward computes the blocks again.
namespace rapt::kernels {

/// A batch of matrices: one of them, and the steps from one to the next along each batch axis. So
/// many neighbours along the last batch axis share one.
template <class T>
struct Matrices {
  Matrix<T> first;
  Strides batch;
  int64_t shared_by = 1;
};

/// Keys [begin, end).
struct KeySpan {
  int64_t begin, end;
};

/// Which keys a query may attend to by its place alone: query i of batch entry b to the span
///   begin = i + lower
///   end   = min(lengths[b], i + upper + 1, max(i + diagonal + 1, prefix[b]) for each Prefix)
/// cut to the keys that there are, and to documents[b, i + documents_offset], the keys of its
/// document. Neither moves back from one query to the next. What has starts counts from starts[b]
/// on: i + starts[b] stands in the place of i.
struct KeySpans {
  struct Prefix {
    int64_t diagonal;
    const int64_t* starts;   // [batch]; or null
    const int64_t* lengths;  // [batch]
  };
  struct Moved {
    int64_t lower, upper;
    const int64_t* starts;  // [batch]
  };
  int64_t lower = -Band::unbounded, upper = Band::unbounded;
  PoolVector<Moved> moved;
  const int64_t* lengths = nullptr;  // [batch]; null: all keys
  PoolVector<Prefix> prefixes;
  const KeySpan* documents = nullptr;  // [batch, keys]; null: all keys are of one
  int64_t documents_offset = 0;
  const int64_t* documents_starts = nullptr;  // [batch]; or null

  bool bounded() const {
    return lower != -Band::unbounded || upper != Band::unbounded || lengths != nullptr ||
           !moved.empty() || !prefixes.empty() || documents != nullptr;
  }
};

/// The spans of one batch entry.
class KeySpansOf {
 public:
  KeySpansOf(const KeySpans& all, int64_t entry, int64_t keys)
      : all_(all),
        entry_(entry),
        all_keys_(keys),
        keys_(all.lengths != nullptr ? std::min(keys, all.lengths[entry]) : keys),
        document_(all.documents_offset + start_of(all.documents_starts)),
        lower_(all.lower),
        upper_(all.upper) {
    for (const KeySpans::Moved& band : all.moved) {
      lower_ = std::max(lower_, band.lower + band.starts[entry]);
      upper_ = std::min(upper_, band.upper + band.starts[entry]);
    }
  }

  /// What a query's place is beyond, in each span's beginning; -Band::unbounded or less if nothing.
  int64_t lower() const { return lower_; }

  [[gnu::always_inline]] KeySpan operator()(int64_t query) const {
    const KeySpan all = beside_documents(query);
    if (all_.documents == nullptr) return all;
    const KeySpan own = all_.documents[entry_ * all_keys_ + query + document_];
    const int64_t end = std::clamp(own.end, int64_t{0}, all.end);
    return {std::clamp(std::max(all.begin, own.begin), int64_t{0}, end), end};
  }

  /// What it is but for the documents: its end moves on by at most one, once a prefix is passed.
  [[gnu::always_inline]] KeySpan beside_documents(int64_t query) const {
    int64_t end = std::clamp<int64_t>(query + upper_ + 1, 0, keys_);
    for (const KeySpans::Prefix& prefix : all_.prefixes) {
      const int64_t place = query + start_of(prefix.starts);
      const int64_t own = std::max(place + prefix.diagonal + 1, prefix.lengths[entry_]);
      end = std::clamp<int64_t>(own, 0, end);
    }
    return {std::clamp<int64_t>(query + lower_, 0, end), end};
  }

 private:
  int64_t start_of(const int64_t* starts) const { return starts != nullptr ? starts[entry_] : 0; }

  const KeySpans& all_;
  const int64_t entry_, all_keys_, keys_;
  const int64_t document_;  // the place of query 0 among them
  int64_t lower_, upper_;
};

/// s = q k^T scale, soft_cap * tanh(s / soft_cap) of it if there is a cap, plus what is added; of
/// the keys in the span that all of may_attend allow.
template <class T>
struct Attention {
  Shape batch;
  int64_t queries, keys, width, value_width;
  Matrices<const T> q, k, v;  // columns dense
  KeySpans spans;
  PoolVector<Matrices<const bool>> may_attend;
  PoolVector<Matrices<const T>> added;    // -inf masks; a row stride of -1: by j - i alone
  std::optional<Matrices<const T>> sink;  // 1 x 1: exp of it is in each row's sum
  T scale;
  std::optional<T> soft_cap;
  double dropout;
  PhiloxKey draws;
};

/// out = softmax(s) v, its columns dense. softmax [batch, queries] is kept for the
/// backward.
template <class T>
void attention(const Attention<T>& a, const Matrices<T>& out, Softmax<T> softmax);

/// The gradients of q, k and v for the output's gradient g.
template <class T>
void attention_backward(const Attention<T>& a, const Matrices<const T>& out,
                        const Matrices<const T>& g, Softmax<const T> softmax, const Matrices<T>& dq,
                        const Matrices<T>& dk, const Matrices<T>& dv);

/// The gradient of something that was added to the scores, after the cap: to += theirs. Where `to`
/// has strides of 0, what was added is stretched, and its gradient a sum.
template <class T>
void attention_added_backward(const Attention<T>& a, const Matrices<const T>& out,
                              const Matrices<const T>& g, Softmax<const T> softmax,
                              const Matrices<T>& to);

/// What dropout multiplies the weights by: 0 or 1 / (1 - p), for queries [first, first + rows) of
/// each batch entry.   keep [batches, rows, keys]
template <class T>
void attention_dropout(int64_t batches, int64_t queries, int64_t keys, int64_t first, int64_t rows,
                       double p, PhiloxKey draws, T* keep);
/// Blocks of draws that it takes.
int64_t attention_dropout_blocks(int64_t batches, int64_t queries, int64_t keys);

}  // namespace rapt::kernels
