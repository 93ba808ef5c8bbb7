#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "rapt/autograd/kernels/attention/head.h"
#include "rapt/autograd/kernels/attention/masked.h"
#include "rapt/autograd/kernels/runtime/scratch.h"

namespace rapt::kernels {

/// The gradients of one head, for some blocks of keys over all queries.
template <class T>
class HeadBackward {
 public:
  /// dots [queries]: what all weights of a row share, the output's gradient along the output.
  HeadBackward(const Attention<T>& a, const BatchIndex& at, const Matrix<const T>& g,
               const Softmax<const T>& softmax, const T* dots)
      : a_(a), head_(a, at), g_(g), softmax_(softmax), dots_(dots) {}

  /// The block of keys from `column` on: dk and dv of these keys, and what they give to the queries
  /// that see them, in `dq`. `adds(row)`: whether it is added there, for the block of queries from
  /// `row` on; else it is what dq is then.
  template <class Adds>
  void run(int64_t column, const Matrix<T>& dq, const Matrix<T>& dk, const Matrix<T>& dv,
           Adds adds) {
    clear(dk.at(column, 0), keys_in(column), a_.width);
    clear(dv.at(column, 0), keys_in(column), a_.value_width);
    each_block(column, [&](const Place& at, const Packed& packed) {
      const Matrix<T> to = dq.at(at.row, 0);
      if (at.columns == 0) {
        if (!adds(at.row)) clear(to, at.rows, a_.width);
        return;
      }
      weights_and_slopes(at, packed);
      products(at, packed, to, adds(at.row), dk.at(column, 0), dv.at(column, 0));
    });
  }

  /// What the block of keys gives to `to`, the gradient of what was added to the scores.
  void add_to_added(int64_t column, const Matrix<T>& to) {
    each_block(column, [&](const Place& at, const Packed& packed) {
      if (at.columns == 0) return;
      weights_and_slopes(at, packed, false);
      for (int64_t i = 0; i < at.rows; ++i) {
        const Matrix<T> sum = to.at(at.row + i, at.column);
        for (int64_t j = 0; j < at.columns; ++j) {
          const T ds = ds_[i * at.columns + j];  // a weight of 0 times what is not finite is NaN
          if (ds != ds && head_.is_masked(at.row + i, at.column + j)) continue;
          sum.data[j * sum.column_stride] += ds;
        }
      }
    });
  }

  /// From now on, leaves out the masked terms of all products.
  void leave_out_masked() { masked_.emplace(); }

  /// The queries that see keys from `column` on and before column + keys_per_block: those from the
  /// first to before the second, whole blocks of them. run() leaves the dq of others alone.
  static std::pair<int64_t, int64_t> rows_of(const Head<T>& head, int64_t column, int64_t queries) {
    const int64_t end = head.first_query_beyond(column + keys_per_block);
    return {head.first_query(column) / queries_per_block * queries_per_block,
            std::min(ceil_div(end, queries_per_block) * queries_per_block, queries)};
  }

 private:
  /// A block of queries and keys: columns is 0 where none of these queries sees one of these keys.
  struct Place {
    int64_t row, rows, column, columns;
  };
  struct Packed {
    const PackedB<T>*k_transposed, *v_transposed, *k;
  };

  int64_t keys_in(int64_t column) const { return std::min(keys_per_block, a_.keys - column); }

  /// f(place, packed) for each block of queries that may see a key of the block from `column` on.
  template <class F>
  void each_block(int64_t column, F f) {
    const int64_t columns = keys_in(column);
    const auto [first, last] = rows_of(head_, column, a_.queries);
    const bool several = first + queries_per_block < last;
    const MaybePacked<T> k_transposed(several, head_.k.at(column, 0).transposed(), a_.width,
                                      columns);
    const MaybePacked<T> v_transposed(several, head_.v.at(column, 0).transposed(), a_.value_width,
                                      columns);
    const MaybePacked<T> k(several, head_.k.at(column, 0), columns, a_.width);
    const Packed packed{k_transposed.get(), v_transposed.get(), k.get()};
    for (int64_t row = first; row < last; row += queries_per_block) {
      const int64_t rows = std::min(queries_per_block, a_.queries - row);
      const KeySpan span = head_.keys_of(row, rows);
      int64_t some = std::clamp<int64_t>(span.end - column, 0, columns);
      if (span.begin >= column + some || head_.all_masked(row, rows, column, some)) some = 0;
      f(Place{row, rows, column, some}, packed);
    }
  }

  /// p = the weights (as dropped), ds = the gradients of the scores before the cap; or after it,
  /// for what was added there.
  void weights_and_slopes(const Place& at, const Packed& packed, bool before_cap = true) {
    T* const slopes = a_.soft_cap && before_cap ? static_cast<T*>(slopes_) : nullptr;
    head_.scores(at.row, at.rows, at.column, at.columns, packed.k_transposed, p_, slopes);
    gemm<T>({at.rows,
             at.columns,
             a_.value_width,
             g_.at(at.row, 0),
             head_.v.at(at.column, 0).transposed(),
             {ds_, at.columns, 1}},
            packed.v_transposed, head_.band(Band::Operand::c, at.row, at.column));
    for (int64_t i = 0; i < at.rows; ++i) {
      weights(at.row + i, i, at.column, at.columns);
      if (slopes == nullptr) continue;
      const KeySpan span = head_.span_in(at.row + i, at.column, at.columns);
      for (int64_t j = span.begin; j < span.end; ++j) {
        ds_[i * at.columns + j] *= slopes[i * at.columns + j];
      }
    }
  }

  void products(const Place& at, const Packed& packed, const Matrix<T>& dq, bool adds,
                const Matrix<T>& dk, const Matrix<T>& dv) {
    const int64_t rows = at.rows, columns = at.columns;
    const Matrix<const T> q = head_.q.at(at.row, 0), g = g_.at(at.row, 0);
    const Matrix<const T> k = head_.k.at(at.column, 0);
    const Matrix<const T> p{p_, columns, 1}, ds{ds_, columns, 1};
    const Product<T> to_dv{columns, a_.value_width, rows, p.transposed(), g, dv, T(1), true};
    const Product<T> to_dq{rows, a_.width, columns, ds, k, dq, a_.scale, adds};
    const Product<T> to_dk{columns, a_.width, rows, ds.transposed(), q, dk, a_.scale, true};
    if (masked_) {
      const auto by_key = [this](int64_t j, int64_t i) { return (*masked_)(i, j); };
      gemm_of_seen(to_dv, by_key);
      gemm_of_seen(to_dq, *masked_);
      gemm_of_seen(to_dk, by_key);
      return;
    }
    const Band of_transposed = head_.band(Band::Operand::a_transposed, at.row, at.column);
    gemm<T>(to_dv, nullptr, of_transposed);
    gemm<T>(to_dq, packed.k, head_.band(Band::Operand::a, at.row, at.column));
    gemm<T>(to_dk, nullptr, of_transposed);
  }

  /// From the scores in p and the weights' gradients in ds: the weights (as dropped) and the
  /// scores' gradients.
  void weights(int64_t row, int64_t i, int64_t column, int64_t columns) {
    T *p = p_ + i * columns, *ds = ds_ + i * columns;
    const T shift = softmax_.shift[row], factor = softmax_.factor[row], dot = dots_[row];
    const KeySpan span = head_.span_in(row, column, columns);
    if (masked_) masked_->note(i, head_, row, column, columns);
    const KeySpan whole = pad_scores(p, span, columns);
    if (span.begin > 0) std::fill(ds, ds + span.begin, T(0));
    std::fill(ds + span.end, ds + columns, T(0));
    if (factor == T(0)) {  // no weight on any key, and no gradient, whatever arrives
      std::fill_n(p, columns, T(0));
      std::fill_n(ds, columns, T(0));
      return;
    }
    T* const seen_p = p + whole.begin;
    T* const seen_ds = ds + whole.begin;
    const int64_t seen = whole.end - whole.begin;
    if (a_.dropout == 0) {
      for_each_block(seen_p, seen_ds, seen,
                     [&](const Block<T>& u, const Block<T>& v, int64_t at, int64_t count) {
                       const Block<T> weight = exp<T>(u - shift) * factor;
                       store_some<T>(seen_p + at, weight, count);
                       store_some<T>(seen_ds + at, weight * (v - dot), count);
                     });
      return clear_masked(i, columns);
    }
    head_.dropout(row, column, columns, keep_);
    const T* const keep = keep_ + whole.begin;
    for_each_block(seen_p, seen_ds, seen,
                   [&](const Block<T>& u, const Block<T>& v, int64_t at, int64_t count) {
                     const Block<T> weight = exp<T>(u - shift) * factor;
                     const Block<T> kept = load_some<T>(keep, at, count, T(0));
                     store_some<T>(seen_p + at, weight * kept, count);
                     store_some<T>(seen_ds + at, weight * (v * kept - dot), count);
                   });
    clear_masked(i, columns);
  }

  void clear_masked(int64_t i, int64_t columns) {
    if (!masked_) return;
    masked_->clear(i, p_ + i * columns, columns);
    masked_->clear(i, ds_ + i * columns, columns);
  }

  const Attention<T>& a_;
  const Head<T> head_;
  const Matrix<const T> g_;
  const Softmax<const T> softmax_;
  const T* dots_;
  const Scratch<T> p_{queries_per_block * keys_per_block};
  const Scratch<T> ds_{queries_per_block * keys_per_block};
  const Scratch<T> keep_{keys_per_block};
  const Scratch<T> slopes_{a_.soft_cap ? queries_per_block * keys_per_block : 0};
  std::optional<MaskedScores<T>> masked_;  // while the masked terms are left out
};

}  // namespace rapt::kernels
