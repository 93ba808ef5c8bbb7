#pragma once

#include <algorithm>
#include <optional>

#include "rapt/autograd/kernels/attention/attention.h"
#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/dropout_draws.h"
#include "rapt/autograd/kernels/gemm/gemm.h"
#include "rapt/autograd/kernels/gemm/packed.h"
#include "rapt/autograd/kernels/math.h"
#include "rapt/autograd/kernels/rows.h"
#include "rapt/autograd/kernels/strided.h"

/// What attention's forward and backward pass share: one head, and the blocks that it is computed
/// in.
namespace rapt::kernels {

constexpr int64_t queries_per_block = 64;
constexpr int64_t keys_per_block = 128;
static_assert(keys_per_block % draws_per_group == 0);
// A block of keys is laid out for the tiles once for this many queries.
constexpr int64_t queries_per_task = 4 * queries_per_block;

/// keep[j] = 0 or 1 / (1 - p) for keys [begin, begin + count) of one row of weights; begin is a
/// multiple of draws_per_group.
template <class T>
void dropout_row(double p, PhiloxKey draws, int64_t row, int64_t keys, int64_t begin, int64_t count,
                 T* keep) {
  const T scale = static_cast<T>(1 / (1 - p));
  for_each_draw(p, draws, row * groups_of_draws(keys) + begin / draws_per_group, count,
                [&](int64_t j, bool kept) { keep[j] = kept ? scale : T(0); });
}

/// One entry of a batch, and what lies there of matrices.
class BatchIndex {
 public:
  BatchIndex(const Shape& batch, int64_t index) : index_(index) {
    position_ = filled<Dims>(batch.rank(), 0);
    for (int64_t axis = batch.rank() - 1; axis >= 0; --axis) {
      position_[axis] = index % batch[axis];
      index /= batch[axis];
    }
  }

  int64_t index() const { return index_; }

  template <class T>
  Matrix<T> of(const Matrices<T>& all) const {
    Matrix<T> one = all.first;
    for (int64_t axis = 0; axis < position_.size(); ++axis) {
      const bool is_last = axis + 1 == position_.size();
      one.data += position_[axis] / (is_last ? all.shared_by : 1) * all.batch[axis];
    }
    return one;
  }

 private:
  int64_t index_;
  Dims position_;
};

template <class T>
Matrix<T> at_batch(const Matrices<T>& all, const Shape& batch, int64_t index) {
  return BatchIndex(batch, index).of(all);
}

/// True when some query may be kept from some key.
template <class T>
bool has_mask(const Attention<T>& a) {
  return a.spans.bounded() || !a.may_attend.empty() || !a.added.empty();
}

/// One batch entry of an attention, and the blocks that it is computed in.
template <class T>
class Head {
 public:
  Head(const Attention<T>& a, const BatchIndex& at)
      : a_(a),
        at_(at),
        spans_(a.spans, at.index(), a.keys),
        q(at.of(a.q)),
        k(at.of(a.k)),
        v(at.of(a.v)) {
    for (const auto& mask : a.may_attend) may_attend_.push_back(at.of(mask));
    for (const auto& mask : a.added) added_.push_back(at.of(mask));
  }

  /// The keys that query `row` may see by its place.
  [[gnu::always_inline]] KeySpan keys_of(int64_t row) const { return spans_(row); }

  /// The keys that one of the queries [row, row + rows) may see.
  KeySpan keys_of(int64_t row, int64_t rows) const {
    return {keys_of(row).begin, keys_of(row + rows - 1).end};
  }

  /// The part of the keys [column, column + columns) that query `row` may see, counted from column.
  [[gnu::always_inline]] KeySpan span_in(int64_t row, int64_t column, int64_t columns) const {
    const KeySpan all = keys_of(row);
    const int64_t end = std::clamp<int64_t>(all.end - column, 0, columns);
    return {std::clamp<int64_t>(all.begin - column, 0, end), end};
  }

  /// The band that is seen of queries from `row` on and keys from `column` on.
  Band band(Band::Operand operand, int64_t row, int64_t column) const {
    if (!a_.spans.bounded()) return {};
    // From query to query, an end moves on by at most one, and `lower` by one.
    return {operand, row + spans_.lower() - column, spans_.beside_documents(row).end - 1 - column};
  }

  /// The first query, from `row` on, that sees a key from `column` on.
  int64_t first_query(int64_t column) const {
    return first_where([&](int64_t row) { return keys_of(row).end > column; });
  }
  /// The first query that sees no key before `column` any more.
  int64_t first_query_beyond(int64_t column) const {
    return first_where([&](int64_t row) { return keys_of(row).begin >= column; });
  }

  /// s [rows, columns] = the scores of queries from `row` on and keys from `column` on, with the
  /// mask. Those outside of span_in have no meaning. k_transposed: of these keys, and perhaps more.
  /// slopes [rows, columns], if not null: the derivative of each score by what the cap was put on.
  void scores(int64_t row, int64_t rows, int64_t column, int64_t columns,
              const PackedB<T>* k_transposed, T* s, T* slopes = nullptr) const {
    gemm<T>({rows,
             columns,
             a_.width,
             q.at(row, 0),
             k.at(column, 0).transposed(),
             {s, columns, 1},
             a_.scale},
            k_transposed, band(Band::Operand::c, row, column));
    for (int64_t i = 0; i < rows && a_.soft_cap; ++i) {
      cap(s + i * columns, slopes != nullptr ? slopes + i * columns : nullptr,
          span_in(row + i, column, columns));
    }
    for (const Matrix<const T>& mask : added_) {
      for_each_pair(mask, row, rows, column, columns, s, [](T plus, T& score) {
        score = plus == -infinity<T> ? plus : score + plus;  // whatever the score: NaN too
      });
    }
    // What one of them masks, no other brings back: -inf + inf is NaN.
    for (size_t i = 0; added_.size() > 1 && i < added_.size(); ++i) {
      for_each_pair(added_[i], row, rows, column, columns, s, [](T plus, T& score) {
        if (plus == -infinity<T>) score = plus;
      });
    }
    for (const Matrix<const bool>& mask : may_attend_) {
      for_each_pair(mask, row, rows, column, columns, s, [](bool may, T& score) {
        if (!may) score = -infinity<T>;
      });
    }
  }

  /// True where the mask keeps query `row` from a key: no score decides that, not even one of -inf.
  bool is_masked(int64_t row, int64_t key) const {
    const KeySpan span = keys_of(row);
    if (key < span.begin || key >= span.end) return true;
    for (const Matrix<const bool>& mask : may_attend_) {
      if (!*mask.at(row, key).data) return true;
    }
    for (const Matrix<const T>& mask : added_) {
      if (*mask.at(row, key).data == -infinity<T>) return true;
    }
    return false;
  }

  /// The score of nothing that each row has beside the others; -inf if it has none.
  T sink() const { return a_.sink ? *at_.of(*a_.sink).data : -infinity<T>; }

  /// True when a tensor of the mask keeps all these queries from all these keys.
  bool all_masked(int64_t row, int64_t rows, int64_t column, int64_t columns) const {
    const auto all = [&](const auto& mask, auto masked) {
      const int64_t down = mask.row_stride == 0 ? 1 : rows;
      const int64_t across = mask.column_stride == 0 ? 1 : columns;
      for (int64_t i = 0; i < down; ++i) {
        for (int64_t j = 0; j < across; ++j) {
          if (!masked(*mask.at(row + i, column + j).data)) return false;
        }
      }
      return true;
    };
    return std::any_of(may_attend_.begin(), may_attend_.end(),
                       [&](const auto& m) { return all(m, [](bool may) { return !may; }); }) ||
           std::any_of(added_.begin(), added_.end(), [&](const auto& m) {
             return all(m, [](T plus) { return plus == -infinity<T>; });
           });
  }

  void dropout(int64_t row, int64_t column, int64_t columns, T* keep) const {
    dropout_row(a_.dropout, a_.draws, at_.index() * a_.queries + row, a_.keys, column, columns,
                keep);
  }

 private:
  /// f(element of the mask, score) for each score of a block.
  template <class U, class F>
  static void for_each_pair(const Matrix<const U>& mask, int64_t row, int64_t rows, int64_t column,
                            int64_t columns, T* s, F f) {
    for (int64_t i = 0; i < rows; ++i) {
      const Matrix<const U> from = mask.at(row + i, column);
      T* line = s + i * columns;
      for (int64_t j = 0; j < columns; ++j) f(from.data[j * from.column_stride], line[j]);
    }
  }

  /// line = c tanh(line / c), slopes = 1 - tanh^2, inside the span.
  void cap(T* line, T* slopes, KeySpan span) const {
    const T c = *a_.soft_cap, per_c = T(1) / c;
    const int64_t begin = span.begin / lanes * lanes;  // whole vectors: each as anywhere else
    for_each_block(line + begin, span.end - begin, T(0),
                   [&](const Block<T>& u, int64_t at, int64_t count) {
                     const Block<T> t = tanh<T>(u * per_c);
                     store_some<T>(line + begin + at, t * c, count);
                     if (slopes != nullptr) {
                       store_some<T>(slopes + begin + at, T(1) - t * t, count);
                     }
                   });
  }

  template <class F>
  int64_t first_where(F holds) const {  // for all queries from there on, as it does
    int64_t first = 0, last = a_.queries;
    while (first < last) {
      const int64_t middle = first + (last - first) / 2;
      if (holds(middle)) {
        last = middle;
      } else {
        first = middle + 1;
      }
    }
    return first;
  }

  const Attention<T>& a_;
  const BatchIndex at_;
  const KeySpansOf spans_;

 public:
  const Matrix<const T> q, k, v;

 private:
  PoolVector<Matrix<const bool>> may_attend_;
  PoolVector<Matrix<const T>> added_;
};

/// A matrix that several products read, laid out for them once; nothing if one alone reads it.
template <class T>
class MaybePacked {
 public:
  MaybePacked(bool several, const Matrix<const T>& b, int64_t depth, int64_t columns) {
    if (several) packed_.emplace(b, depth, columns).pack();
  }
  const PackedB<T>* get() const { return packed_ ? &*packed_ : nullptr; }

 private:
  std::optional<PackedB<T>> packed_;
};

/// Of `line` [columns], the scores of a span: sets what lies outside to 0, which is the weight of
/// what is not seen, but to -inf up to the ends of whole vectors. Returns these ends: multiples of
/// `lanes`, or `columns`.
template <class T>
KeySpan pad_scores(T* line, KeySpan span, int64_t columns) {
  const int64_t begin = span.begin / lanes * lanes;
  const int64_t end = std::max(begin, std::min(ceil_div(span.end, lanes) * lanes, columns));
  if (span.begin > 0) {
    std::fill(line, line + begin, T(0));
    std::fill(line + begin, line + span.begin, -infinity<T>);
  }
  std::fill(line + span.end, line + end, -infinity<T>);
  std::fill(line + end, line + columns, T(0));
  return {begin, end};
}

template <class T>
void clear(const Matrix<T>& m, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i) std::fill_n(m.data + i * m.row_stride, columns, T(0));
}

}  // namespace rapt::kernels
