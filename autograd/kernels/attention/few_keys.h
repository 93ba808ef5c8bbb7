#pragma once

#include <algorithm>
#include <cstring>

#include "rapt/autograd/kernels/attention/head.h"
#include "rapt/autograd/kernels/gemm/packed.h"
#include "rapt/autograd/kernels/lane_vector.h"

/// Attention over so few keys that a row of scores is one vector: nothing is laid out for tiles,
/// which here would cost more than the products. Every sum is added up in the order of the tiles,
/// so a sequence has the bits that it has as the beginning of a longer one; terms of keys that a
/// query does not see are left out, not multiplied by 0.
namespace rapt::kernels {

inline constexpr int64_t few_keys = lanes, few_columns = 64;

/// True where FewKeys gives what Attend and HeadBackward do.
template <class T>
bool has_few_keys(const Attention<T>& a) {
  return has_tiles<T> && a.keys <= few_keys && a.queries <= queries_per_block &&
         a.width <= few_columns && a.value_width <= few_columns && a.may_attend.empty() &&
         a.added.empty() && !a.soft_cap;
}

/// Heads that are worth a thread.
template <class T>
int64_t few_keys_grain(const Attention<T>& a) {
  const int64_t work = a.queries * (a.keys + a.width + a.value_width);
  return 5000 / std::max<int64_t>(1, work) + 1;
}

/// Some rows of at most few_columns elements, each padded with zeros to whole vectors.
template <class T, int64_t rows = few_keys>
class PaddedRows {
 public:
  explicit PaddedRows(int64_t columns) : columns_(columns) {}

  /// Zeros in the first `count` rows.
  void clear(int64_t count) {
    for (int64_t i = 0; i < count; ++i) clear_row(i);
  }
  /// The first `count` rows of `from`.
  void copy(const Matrix<const T>& from, int64_t count) {
    for (int64_t i = 0; i < count; ++i) copy_row(i, from.data + i * from.row_stride);
  }
  void copy_row(int64_t i, const T* from) {
    if (columns_ % lanes != 0) clear_row(i);
    copy_few(from, columns_, (*this)[i]);
  }

  T* operator[](int64_t i) { return rows_[i]; }
  const T* operator[](int64_t i) const { return rows_[i]; }

 private:
  void clear_row(int64_t i) {
    for (int64_t j = 0; j < columns_; j += lanes) LaneVector<T>::all(T(0)).store(rows_[i] + j);
  }

  int64_t columns_;
  alignas(64) T rows_[rows][few_columns];
};

/// A matrix's columns as vectors, of its first rows and zeros behind them.   [columns][lanes]
template <class T>
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
  alignas(64) T columns_[few_columns][lanes];
};

/// sum over t in the span of weights[t] rows[t], in order: the `at`-th vector of it.
template <class T>
LaneVector<T> weighted_sum(KeySpan span, const T* weights, const PaddedRows<T>& rows, int64_t at) {
  LaneVector<T> sum = LaneVector<T>::all(T(0));
  for (int64_t t = span.begin; t < span.end; ++t) {
    sum = madd(LaneVector<T>::all(weights[t]), LaneVector<T>::load(rows[t] + at), sum);
  }
  return sum;
}

/// Writes a row of so many columns, a vector of which vector_at(first column) gives.
template <class T, class F>
void write_row(T* to, int64_t columns, F vector_at) {
  for (int64_t j = 0; j < columns; j += lanes) {
    const LaneVector<T> part = vector_at(j);
    if (j + lanes <= columns) {
      part.store(to + j);
    } else {
      alignas(64) T rest[lanes];
      part.store(rest);
      copy_few<T>(rest, columns - j, to + j);
    }
  }
}

/// One head.
template <class T>
class FewKeys {
  using V = LaneVector<T>;

 public:
  FewKeys(const Attention<T>& a, int64_t index)
      : a_(a),
        index_(index),
        spans_(a.spans, index, a.keys),
        q_(at_batch(a.q, a.batch, index)),
        k_(at_batch(a.k, a.batch, index)),
        v_(at_batch(a.v, a.batch, index)) {
    k_transposed_.transpose(k_, a.keys, a.width);
  }

  void forward(const Matrix<T>& out, const Softmax<T>& softmax) {
    PaddedRows<T> v(a_.value_width);
    v.copy(v_, a_.keys);
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
      write_row(out.data + i * out.row_stride, a_.value_width, [&](int64_t j) {
        return none ? V::all(T(0)) : weighted_sum(span, weights, v, j) * V::all(factor);
      });
      softmax.shift[i] = none ? T(0) : top;
      softmax.factor[i] = factor;
    }
  }

  /// See HeadBackward.
  void backward(const Matrix<const T>& out, const Matrix<const T>& g,
                const Softmax<const T>& softmax, const Matrix<T>& dq, const Matrix<T>& dk,
                const Matrix<T>& dv) {
    TransposedRows<T> v_transposed;
    v_transposed.transpose(v_, a_.keys, a_.value_width);
    PaddedRows<T> k(a_.width), dk_sums(a_.width), dv_sums(a_.value_width);
    k.copy(k_, a_.keys);
    dk_sums.clear(a_.keys);
    dv_sums.clear(a_.keys);
    PaddedRows<T, 1> own_q(a_.width), own_g(a_.value_width), own_out(a_.value_width);
    for (int64_t i = 0; i < a_.queries; ++i) {
      const T* const g_row = g.data + i * g.row_stride;
      own_q.copy_row(0, q_.data + i * q_.row_stride);
      own_g.copy_row(0, g_row);
      own_out.copy_row(0, out.data + i * out.row_stride);
      const KeySpan span = spans_(i);
      const T shift = softmax.shift[i], factor = softmax.factor[i];
      alignas(64) T p[lanes] = {}, ds[lanes] = {};
      if (factor != T(0)) {
        const T dot = dot_of(own_g[0], own_out[0]);
        const V weight = exp(scores(i, span) - V::all(shift)) * V::all(factor);
        const V arrived = v_transposed.times(g_row, a_.value_width);
        const V kept = a_.dropout > 0 ? keep(i) : V::all(T(1));
        (weight * kept).store(p);
        (weight * (arrived * kept - V::all(dot))).store(ds);
      }
      add_products(span, p, own_g[0], a_.value_width, dv_sums);
      add_products(span, ds, own_q[0], a_.width, dk_sums);
      write_row(dq.data + i * dq.row_stride, a_.width,
                [&](int64_t j) { return weighted_sum(span, ds, k, j) * V::all(a_.scale); });
    }
    for (int64_t t = 0; t < a_.keys; ++t) {
      // As tiles add it to a matrix of zeros.
      write_row(dk.data + t * dk.row_stride, a_.width, [&](int64_t j) {
        return V::load(dk_sums[t] + j) * V::all(a_.scale) + V::all(T(0));
      });
      write_row(dv.data + t * dv.row_stride, a_.value_width,
                [&](int64_t j) { return V::load(dv_sums[t] + j) + V::all(T(0)); });
    }
  }

 private:
  /// Of query i: -inf outside its span.
  V scores(int64_t i, KeySpan span) const {
    const V all = k_transposed_.times(q_.data + i * q_.row_stride, a_.width) * V::all(a_.scale);
    return all.inside(span.begin, span.end, -infinity<T>);
  }

  /// What dropout multiplies the weights of query i by.
  V keep(int64_t i) const {
    alignas(64) T keep[lanes] = {};
    dropout_row(a_.dropout, a_.draws, index_ * a_.queries + i, a_.keys, 0, a_.keys, keep);
    return V::load(keep);
  }

  /// row_dot of rows padded with zeros.
  T dot_of(const T* x, const T* y) const {
    V sum = V::all(T(0));
    for (int64_t j = 0; j < a_.value_width; j += lanes) sum = sum + V::load(x + j) * V::load(y + j);
    return sum.sum();
  }

  /// sums[t] += weights[t] row, for t in the span.
  static void add_products(KeySpan span, const T* weights, const T* row, int64_t columns,
                           PaddedRows<T>& sums) {
    for (int64_t j = 0; j < columns; j += lanes) {
      const V part = V::load(row + j);
      for (int64_t t = span.begin; t < span.end; ++t) {
        madd(V::all(weights[t]), part, V::load(sums[t] + j)).store(sums[t] + j);
      }
    }
  }

  const Attention<T>& a_;
  const int64_t index_;
  const KeySpansOf spans_;
  const Matrix<const T> q_, k_, v_;
  TransposedRows<T> k_transposed_;
};

}  // namespace rapt::kernels
