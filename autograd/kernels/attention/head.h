#pragma once

#include <algorithm>
#include <optional>

#include "rapt/autograd/kernels/attention/attention.h"
#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/gemm/gemm.h"
#include "rapt/autograd/kernels/gemm/packed.h"
#include "rapt/autograd/kernels/philox.h"
#include "rapt/autograd/kernels/rows.h"

/// What attention's forward and backward pass share: one head, and the blocks that it is computed
/// in.
namespace rapt::kernels {

constexpr int64_t queries_per_block = 64;
constexpr int64_t keys_per_block = 128;
static_assert(keys_per_block % draws_per_group == 0);
// A block of keys is laid out for the tiles once for this many queries.
constexpr int64_t queries_per_task = 4 * queries_per_block;

inline int64_t groups_per_row(int64_t keys) { return ceil_div(keys, draws_per_group); }

/// keep[j] = 0 or 1 / (1 - p) for keys [begin, begin + count) of one row of weights; begin is a
/// multiple of draws_per_group.
template <class T>
void dropout_row(double p, PhiloxKey draws, int64_t row, int64_t keys, int64_t begin, int64_t count,
                 T* keep) {
  const T scale = static_cast<T>(1 / (1 - p));
  const uint32_t threshold = static_cast<uint32_t>(p * 0x1p32);
  uint32_t bits[draws_per_group];
  for (int64_t at = 0; at < count; at += draws_per_group) {
    const int64_t group = row * groups_per_row(keys) + (begin + at) / draws_per_group;
    philox_group(draws.key, draws.counter + static_cast<uint64_t>(group * blocks_per_group), bits);
    const int64_t some = std::min(draws_per_group, count - at);
    for (int64_t j = 0; j < some; ++j) keep[at + j] = bits[j] >= threshold ? scale : T(0);
  }
}

/// The matrix at one index of the batch.
template <class T>
Matrix<T> at_batch(const Matrices<T>& all, const Shape& batch, int64_t index) {
  Matrix<T> one = all.first;
  if (one.data == nullptr) return one;
  for (int64_t axis = batch.rank() - 1; axis >= 0; --axis) {
    one.data += index % batch[axis] * all.batch[axis];
    index /= batch[axis];
  }
  return one;
}

/// One batch entry of an attention, and the blocks that it is computed in.
template <class T>
class Head {
 public:
  Head(const Attention<T>& a, int64_t index)
      : a_(a),
        index_(index),
        q(at_batch(a.q, a.batch, index)),
        k(at_batch(a.k, a.batch, index)),
        v(at_batch(a.v, a.batch, index)),
        may_attend_(at_batch(a.may_attend, a.batch, index)),
        added_(at_batch(a.added, a.batch, index)) {}

  /// How many keys queries up to `last` may see at most.
  int64_t visible_keys(int64_t last) const {
    return a_.causal ? std::clamp<int64_t>(last + 1 + a_.keys - a_.queries, 0, a_.keys) : a_.keys;
  }

  /// How many of the keys [column, column + columns) query `row` may see.
  int64_t visible_of(int64_t row, int64_t column, int64_t columns) const {
    return std::clamp<int64_t>(visible_keys(row) - column, 0, columns);
  }

  /// The triangle that causality leaves of queries from `row` on and keys from `column` on.
  Causal triangle(Causal::Operand operand, int64_t row, int64_t column) const {
    if (!a_.causal) return {};
    return {operand, row + a_.keys - a_.queries - column};
  }

  /// The first of all queries that may see a key from `column` on.
  int64_t first_query(int64_t column) const {
    return a_.causal ? std::clamp<int64_t>(column - (a_.keys - a_.queries), 0, a_.queries) : 0;
  }

  /// s [rows, columns] = the scores of queries from `row` on and keys from `column` on, with the
  /// mask. Those beyond visible_of have no meaning. k_transposed: of these keys, and perhaps more.
  void scores(int64_t row, int64_t rows, int64_t column, int64_t columns,
              const PackedB<T>* k_transposed, T* s) const {
    gemm<T>({rows,
             columns,
             a_.width,
             q.at(row, 0),
             k.at(column, 0).transposed(),
             {s, columns, 1},
             a_.scale},
            k_transposed, triangle(Causal::Operand::c, row, column));
    if (may_attend_.data == nullptr && added_.data == nullptr) return;
    for (int64_t i = 0; i < rows; ++i) {
      T* line = s + i * columns;
      if (may_attend_.data != nullptr) {
        const bool* may = may_attend_.data + (row + i) * may_attend_.row_stride +
                          column * may_attend_.column_stride;
        for (int64_t j = 0; j < columns; ++j) {
          if (!may[j * may_attend_.column_stride]) line[j] = -infinity<T>;
        }
      }
      if (added_.data != nullptr) {
        const T* add = added_.data + (row + i) * added_.row_stride + column * added_.column_stride;
        for (int64_t j = 0; j < columns; ++j) {
          const T plus = add[j * added_.column_stride];
          line[j] = plus == -infinity<T> ? plus : line[j] + plus;  // whatever the score: NaN too
        }
      }
    }
  }

  /// True where the mask or causality keeps query `row` from a key: no score decides that, not even
  /// one of -inf.
  bool is_masked(int64_t row, int64_t key) const {
    if (key >= visible_keys(row)) return true;
    if (may_attend_.data != nullptr && !*may_attend_.at(row, key).data) return true;
    return added_.data != nullptr && *added_.at(row, key).data == -infinity<T>;
  }

  /// True when some query may be kept from some key.
  bool masks() const { return a_.causal || may_attend_.data != nullptr || added_.data != nullptr; }

  void dropout(int64_t row, int64_t column, int64_t columns, T* keep) const {
    dropout_row(a_.dropout, a_.draws, index_ * a_.queries + row, a_.keys, column, columns, keep);
  }

 private:
  const Attention<T>& a_;
  const int64_t index_;

 public:
  const Matrix<const T> q, k, v;

 private:
  const Matrix<const bool> may_attend_;
  const Matrix<const T> added_;
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

/// Pads `line` [columns] behind its `visible` scores: -inf up to the next multiple of `lanes`, then
/// 0, which is the weight of what is not seen. Returns the padded length.
template <class T>
int64_t pad_scores(T* line, int64_t visible, int64_t columns) {
  const int64_t whole = std::min(ceil_div(visible, lanes) * lanes, columns);
  std::fill(line + visible, line + whole, -infinity<T>);
  std::fill(line + whole, line + columns, T(0));
  return whole;
}

template <class T>
void clear(const Matrix<T>& m, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i) std::fill_n(m.data + i * m.row_stride, columns, T(0));
}

}  // namespace rapt::kernels
