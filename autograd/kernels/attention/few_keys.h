#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "rapt/autograd/kernels/attention/head.h"
#include "rapt/autograd/kernels/gemm/packed.h"
#include "rapt/autograd/kernels/lane_vector.h"
#include "rapt/autograd/kernels/runtime/parallel.h"

/// Attention over so few keys that a row of scores is one vector: nothing is laid out for tiles,
/// which here would cost more than the products. Every sum is added up in the order of the tiles,
/// so a sequence has the bits that it has as the beginning of a longer one; terms of keys that a
/// query does not see are left out, not multiplied by 0.
namespace rapt::kernels {

inline constexpr int64_t few_keys = lanes, few_columns = 64;

/// True where FewKeys gives what Attend and HeadBackward do.
template <class T>
bool has_few_keys(const Attention<T>& a) {
  return has_tiles<T> && a.keys <= few_keys && a.k.first.column_stride == 1 &&
         a.queries <= queries_per_block && a.width <= few_columns && a.value_width <= few_columns &&
         a.may_attend.empty() && a.added.empty() && !a.soft_cap && !a.sink;
}

/// Some rows of at most vectors * lanes elements, each padded with zeros to that.
template <class T, int vectors, int64_t rows = few_keys>
class PaddedRows {
 public:
  /// Zeros in the first `count` rows.
  void clear(int64_t count) {
    for (int64_t i = 0; i < count; ++i) clear_row(i);
  }
  /// The first `count` rows of `from`.
  void copy(const Matrix<const T>& from, int64_t count, int64_t columns) {
    for (int64_t i = 0; i < count; ++i) {
      if (columns != int64_t{vectors} * lanes) clear_row(i);
      copy_few(from.data + i * from.row_stride, columns, rows_[i]);
    }
  }
  [[gnu::always_inline]] LaneVector<T> at(int64_t row, int vector) const {
    return LaneVector<T>::load(rows_[row] + vector * lanes);
  }
  [[gnu::always_inline]] void set(int64_t row, int vector, const LaneVector<T>& to) {
    to.store(rows_[row] + vector * lanes);
  }
  const T* operator[](int64_t row) const { return rows_[row]; }

 private:
  void clear_row(int64_t i) {
    for (int n = 0; n < vectors; ++n) set(i, n, LaneVector<T>::all(T(0)));
  }

  alignas(64) T rows_[rows][vectors * lanes];
};

/// A matrix's columns as vectors, of its first rows and zeros behind them.
template <class T, int vectors>
class TransposedRows {
 public:
  void transpose(const Matrix<const T>& from, int64_t rows, int64_t columns) {
    for (int64_t j = 0; j < columns; ++j) {
      if (rows < lanes) LaneVector<T>::all(T(0)).store(columns_[j]);
    }
    for (int64_t i = 0; i < rows; ++i) {
      const T* const row = from.data + i * from.row_stride;
      for (int64_t j = 0; j < columns; ++j) columns_[j][i] = row[j];
    }
  }
  /// The products of a row with the matrix's rows: their sums over the columns, in order.
  LaneVector<T> times(const T* row, int64_t columns) const {
    LaneVector<T> sum = LaneVector<T>::all(T(0));
    for (int64_t j = 0; j < columns; ++j) {
      sum = madd(LaneVector<T>::all(row[j]), LaneVector<T>::load(columns_[j]), sum);
    }
    return sum;
  }

 private:
  alignas(64) T columns_[vectors * lanes][lanes];
};

/// One head, whose rows are of at most vectors * lanes elements.
template <class T, int vectors>
class FewKeys {
  using V = LaneVector<T>;
  using Keys = PaddedRows<T, vectors>;
  using Queries = PaddedRows<T, vectors, queries_per_block>;

 public:
  FewKeys(const Attention<T>& a, const BatchIndex& at)
      : a_(a),
        index_(at.index()),
        spans_(a.spans, at.index(), a.keys),
        q_(at.of(a.q)),
        k_(at.of(a.k)),
        v_(at.of(a.v)) {
    k_transposed_.transpose(k_, a.keys, a.width);
  }

  void forward(const Matrix<T>& out, const Softmax<T>& softmax) {
    Keys v;
    v.copy(v_, a_.keys, a_.value_width);
    for (int64_t i = 0; i < a_.queries; ++i) {
      const KeySpan span = spans_(i);
      const V s = scores(i, span);
      const T top = s.max();
      const V e = exp(s - V::all(top == -infinity<T> ? T(0) : top));
      const T sum = e.sum();
      const bool none = sum == 0;
      const T factor = none ? T(0) : T(1) / sum;
      alignas(64) T weights[lanes];
      (a_.dropout > 0 ? e * keep(i) : e).store(weights);
      write_row(out.data + i * out.row_stride, a_.value_width, [&](int n) {
        return none ? V::all(T(0)) : weighted_sum(span, weights, v, n) * V::all(factor);
      });
      softmax.shift[i] = none ? T(0) : top;
      softmax.factor[i] = factor;
    }
  }

  /// See HeadBackward.
  void backward(const Matrix<const T>& given_out, const Matrix<const T>& given_g,
                const Softmax<const T>& softmax, const Matrix<T>& dq, const Matrix<T>& dk,
                const Matrix<T>& dv) {
    TransposedRows<T, vectors> v_transposed;
    v_transposed.transpose(v_, a_.keys, a_.value_width);
    Keys k, dk_sums, dv_sums;
    k.copy(k_, a_.keys, a_.width);
    dk_sums.clear(a_.keys);
    dv_sums.clear(a_.keys);
    Queries q, g, out;
    q.copy(q_, a_.queries, a_.width);
    g.copy(given_g, a_.queries, a_.value_width);
    out.copy(given_out, a_.queries, a_.value_width);
    for (int64_t i = 0; i < a_.queries; ++i) {
      const KeySpan span = spans_(i);
      const T shift = softmax.shift[i], factor = softmax.factor[i];
      alignas(64) T p[lanes] = {}, ds[lanes] = {};
      if (factor != T(0)) {
        const T dot = dot_of(g, out, i);
        const V weight = exp(scores(i, span) - V::all(shift)) * V::all(factor);
        const V arrived = v_transposed.times(g[i], a_.value_width);
        const V kept = a_.dropout > 0 ? keep(i) : V::all(T(1));
        (weight * kept).store(p);
        (weight * (arrived * kept - V::all(dot))).store(ds);
      }
      add_products(span, p, g, i, dv_sums);
      add_products(span, ds, q, i, dk_sums);
      write_row(dq.data + i * dq.row_stride, a_.width,
                [&](int n) { return weighted_sum(span, ds, k, n) * V::all(a_.scale); });
    }
    for (int64_t t = 0; t < a_.keys; ++t) {
      // As tiles add it to a matrix of zeros.
      write_row(dk.data + t * dk.row_stride, a_.width,
                [&](int n) { return dk_sums.at(t, n) * V::all(a_.scale) + V::all(T(0)); });
      write_row(dv.data + t * dv.row_stride, a_.value_width,
                [&](int n) { return dv_sums.at(t, n) + V::all(T(0)); });
    }
  }

 private:
  /// Of query i: -inf outside its span.
  [[gnu::always_inline]] V scores(int64_t i, KeySpan span) const {
    const V all = k_transposed_.times(q_.data + i * q_.row_stride, a_.width) * V::all(a_.scale);
    return all.inside(span.begin, span.end, -infinity<T>);
  }

  /// What dropout multiplies the weights of query i by.
  V keep(int64_t i) const {
    alignas(64) T keep[lanes] = {};
    dropout_row(a_.dropout, a_.draws, index_ * a_.queries + i, a_.keys, 0, a_.keys, keep);
    return V::load(keep);
  }

  /// row_dot of the i-th rows.
  [[gnu::always_inline]] static T dot_of(const Queries& x, const Queries& y, int64_t i) {
    V sum = V::all(T(0));
    for (int n = 0; n < vectors; ++n) sum = sum + x.at(i, n) * y.at(i, n);
    return sum.sum();
  }

  /// sum over t in the span of weights[t] rows[t], in order: the n-th vector of it.
  [[gnu::always_inline]] static V weighted_sum(KeySpan span, const T* weights, const Keys& rows,
                                               int n) {
    V sum = V::all(T(0));
    for (int64_t t = span.begin; t < span.end; ++t) {
      sum = madd(V::all(weights[t]), rows.at(t, n), sum);
    }
    return sum;
  }

  /// sums[t] += weights[t] rows[i], for t in the span.
  [[gnu::always_inline]] static void add_products(KeySpan span, const T* weights,
                                                  const Queries& rows, int64_t i, Keys& sums) {
    for (int n = 0; n < vectors; ++n) {
      const V row = rows.at(i, n);
      for (int64_t t = span.begin; t < span.end; ++t) {
        sums.set(t, n, madd(V::all(weights[t]), row, sums.at(t, n)));
      }
    }
  }

  /// A row of so many columns, whose n-th vector is vector_at(n).
  template <class F>
  [[gnu::always_inline]] static void write_row(T* to, int64_t columns, F vector_at) {
    for (int n = 0; n < vectors; ++n) {
      const int64_t left = columns - n * int64_t{lanes};
      if (left <= 0) return;
      const V part = vector_at(n);
      if (left >= lanes) {
        part.store(to + n * lanes);
      } else {
        alignas(64) T rest[lanes];
        part.store(rest);
        copy_few<T>(rest, left, to + n * lanes);
      }
    }
  }

  const Attention<T>& a_;
  const int64_t index_;
  const KeySpansOf spans_;
  const Matrix<const T> q_, k_, v_;
  TransposedRows<T, vectors> k_transposed_;
};

/// f(head, index of the batch) for each head, spread over the threads.
template <class T, class F>
void for_each_of_few_keys(const Attention<T>& a, F f) {
  if constexpr (has_tiles<T>) {
    const int64_t work = a.queries * (a.keys + a.width + a.value_width);
    const int64_t grain = 5000 / std::max<int64_t>(1, work) + 1;  // some 10 microseconds
    const auto with = [&]<int vectors>(std::integral_constant<int, vectors>) {
      parallel_for(a.batch.numel(), grain, [&](int64_t begin, int64_t end) {
        for (int64_t index = begin; index < end; ++index) {
          const BatchIndex at(a.batch, index);
          FewKeys<T, vectors> head(a, at);
          f(head, at);
        }
      });
    };
    const int64_t columns = std::max(a.width, a.value_width);
    if (columns <= lanes) return with(std::integral_constant<int, 1>());
    if (columns <= int64_t{2} * lanes) return with(std::integral_constant<int, 2>());
    with(std::integral_constant<int, few_columns / lanes>());
  }
}

}  // namespace rapt::kernels
