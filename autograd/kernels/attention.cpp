#include "rapt/autograd/kernels/attention.h"

#include <algorithm>
#include <cmath>

#include "rapt/autograd/kernels/gemm.h"
#include "rapt/autograd/kernels/parallel.h"
#include "rapt/autograd/kernels/philox.h"
#include "rapt/autograd/kernels/rows.h"
#include "rapt/autograd/kernels/scratch.h"

namespace rapt::kernels {
namespace {

constexpr int64_t queries_per_block = 64;
constexpr int64_t keys_per_block = 128;
static_assert(keys_per_block % draws_per_group == 0);

int64_t groups_per_row(int64_t keys) { return (keys + draws_per_group - 1) / draws_per_group; }

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

  /// s [rows, columns] = the scores of queries from `row` on and keys from `column` on, with the
  /// mask. Those beyond visible_of have no meaning.
  void scores(int64_t row, int64_t rows, int64_t column, int64_t columns, T* s) const {
    gemm<T>({rows, columns, a_.width, q.at(row, 0), k.at(column, 0).transposed(), {s, columns, 1},
             a_.scale});
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
        for (int64_t j = 0; j < columns; ++j) line[j] += add[j * added_.column_stride];
      }
    }
  }

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

/// The softmax of a row that arrives in pieces: what has been seen so far.
template <class T>
struct Running {
  T top = -infinity<T>;
  T sum = 0;
};

/// line = exp(line - top) for the top of all seen so far; returns what the earlier ones have to be
/// multiplied by.
template <class T>
T join(Running<T>& seen, T* line, int64_t columns) {
  const T top = row_max(line, columns);
  const T new_top = top > seen.top || top != top ? top : seen.top;
  const T shift = new_top == -infinity<T> ? T(0) : new_top;
  const T factor = seen.sum == 0 ? T(0) : std::exp(seen.top - shift);
  Block<T> total = Block<T>::Zero();
  for_each_block(line, columns, -infinity<T>, [&](const Block<T>& u, int64_t at, int64_t count) {
    const Block<T> e = exp<T>(u - shift);
    total += e;
    store_some(line + at, e, count);
  });
  seen.top = new_top;
  seen.sum = seen.sum * factor + total.sum();
  return factor;
}

/// Of a row of scores, the first `visible` of which count: fills it up to a whole number of Blocks
/// with -inf and from there on with 0, the weight that they have; returns where that is.
template <class T>
int64_t whole_blocks(T* line, int64_t visible, int64_t columns) {
  const int64_t whole = std::min((visible + lanes - 1) / lanes * lanes, columns);
  std::fill(line + visible, line + whole, -infinity<T>);
  std::fill(line + whole, line + columns, T(0));
  return whole;
}

template <class T>
void multiply(T* line, int64_t count, T factor) {
  for (int64_t i = 0; i < count; ++i) line[i] *= factor;
}

template <class T>
void multiply(T* line, int64_t count, const T* factors) {
  for (int64_t i = 0; i < count; ++i) line[i] *= factors[i];
}

template <class T>
void clear(const Matrix<T>& m, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i) std::fill_n(m.data + i * m.row_stride, columns, T(0));
}

/// Rows [row, row + rows) of one head's output.
template <class T>
void attend(const Attention<T>& a, const Head<T>& head, int64_t row, int64_t rows,
            const Matrix<T>& out, T* lse) {
  const Scratch<T> s(queries_per_block * keys_per_block), keep(keys_per_block);
  Running<T> seen[queries_per_block];
  const int64_t visible = head.visible_keys(row + rows - 1);
  for (int64_t column = 0; column < visible; column += keys_per_block) {
    const int64_t columns = std::min(keys_per_block, visible - column);
    head.scores(row, rows, column, columns, s);
    for (int64_t i = 0; i < rows; ++i) {
      T* line = s + i * columns;
      const int64_t some = head.visible_of(row + i, column, columns);
      const T factor = join(seen[i], line, whole_blocks(line, some, columns));
      if (column > 0 && factor != 1) multiply(out.data + i * out.row_stride, a.value_width, factor);
      if (a.dropout > 0) {
        head.dropout(row + i, column, columns, keep);
        multiply<T>(line, columns, static_cast<const T*>(keep));
      }
    }
    gemm<T>({rows, a.value_width, columns, {s, columns, 1}, head.v.at(column, 0), out, T(1),
             column > 0});
  }
  if (visible == 0) clear(out, rows, a.value_width);
  for (int64_t i = 0; i < rows; ++i) {
    const bool none = seen[i].sum == 0;
    multiply(out.data + i * out.row_stride, a.value_width, none ? T(0) : T(1) / seen[i].sum);
    lse[i] = none ? infinity<T> : seen[i].top + std::log(seen[i].sum);
  }
}

}  // namespace

template <class T>
void attention(const Attention<T>& a, const Matrices<T>& out, T* lse) {
  const int64_t blocks = (a.queries + queries_per_block - 1) / queries_per_block;
  parallel_for(a.batch.numel() * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t index = task / blocks, row = task % blocks * queries_per_block;
      attend(a, Head<T>(a, index), row, std::min(queries_per_block, a.queries - row),
             at_batch(out, a.batch, index).at(row, 0), lse + index * a.queries + row);
    }
  });
}

namespace {

/// The gradients of one head.
template <class T>
class HeadBackward {
 public:
  HeadBackward(const Attention<T>& a, int64_t index, const Matrix<const T>& out,
               const Matrix<const T>& g, const T* lse, const Matrix<T>& dq, const Matrix<T>& dk,
               const Matrix<T>& dv)
      : a_(a), head_(a, index), g_(g), lse_(lse), dq_(dq), dk_(dk), dv_(dv), dots_(a.queries) {
    clear(dq, a.queries, a.width);
    clear(dk, a.keys, a.width);
    clear(dv, a.keys, a.value_width);
    // What all weights of a row share: the output's gradient along the output.
    for (int64_t i = 0; i < a.queries; ++i) {
      dots_[i] = row_dot(g.data + i * g.row_stride, out.data + i * out.row_stride, a.value_width);
    }
  }

  void run() {
    for (int64_t row = 0; row < a_.queries; row += queries_per_block) {
      const int64_t rows = std::min(queries_per_block, a_.queries - row);
      const int64_t visible = head_.visible_keys(row + rows - 1);
      for (int64_t column = 0; column < visible; column += keys_per_block) {
        block(row, rows, column, std::min(keys_per_block, visible - column));
      }
    }
  }

 private:
  void block(int64_t row, int64_t rows, int64_t column, int64_t columns) {
    const Matrix<const T> q = head_.q.at(row, 0), g = g_.at(row, 0);
    const Matrix<const T> k = head_.k.at(column, 0), v = head_.v.at(column, 0);
    head_.scores(row, rows, column, columns, p_);
    gemm<T>({rows, columns, a_.value_width, g, v.transposed(), {ds_, columns, 1}});
    for (int64_t i = 0; i < rows; ++i) weights(row + i, i, column, columns);
    const Matrix<const T> p{p_, columns, 1}, ds{ds_, columns, 1};
    gemm<T>({columns, a_.value_width, rows, p.transposed(), g, dv_.at(column, 0), T(1), true});
    gemm<T>({rows, a_.width, columns, ds, k, dq_.at(row, 0), a_.scale, true});
    gemm<T>({columns, a_.width, rows, ds.transposed(), q, dk_.at(column, 0), a_.scale, true});
  }

  /// From the scores in p and the weights' gradients in ds: the weights (as dropped) and the
  /// scores' gradients.
  void weights(int64_t row, int64_t i, int64_t column, int64_t columns) {
    T *p = p_ + i * columns, *ds = ds_ + i * columns;
    const T shift = lse_[row], dot = dots_[row];
    const int64_t some = head_.visible_of(row, column, columns);
    const int64_t whole = whole_blocks(p, some, columns);
    std::fill(ds + whole, ds + columns, T(0));
    if (a_.dropout == 0) {
      for_each_block(p, ds, whole,
                     [&](const Block<T>& u, const Block<T>& v, int64_t at, int64_t count) {
                       const Block<T> weight = exp<T>(u - shift);
                       store_some<T>(p + at, weight, count);
                       store_some<T>(ds + at, weight * (v - dot), count);
                     });
      return;
    }
    head_.dropout(row, column, columns, keep_);
    for_each_block(p, ds, whole,
                   [&](const Block<T>& u, const Block<T>& v, int64_t at, int64_t count) {
                     const Block<T> weight = exp<T>(u - shift);
                     const Block<T> keep = load_some<T>(keep_, at, count, T(0));
                     store_some<T>(p + at, weight * keep, count);
                     store_some<T>(ds + at, weight * (v * keep - dot), count);
                   });
  }

  const Attention<T>& a_;
  const Head<T> head_;
  const Matrix<const T> g_;
  const T* lse_;
  const Matrix<T> dq_, dk_, dv_;
  const Scratch<T> dots_;
  const Scratch<T> p_{queries_per_block * keys_per_block};
  const Scratch<T> ds_{queries_per_block * keys_per_block};
  const Scratch<T> keep_{keys_per_block};
};

}  // namespace

template <class T>
void attention_backward(const Attention<T>& a, const Matrices<const T>& out,
                        const Matrices<const T>& g, const T* lse, const Matrices<T>& dq,
                        const Matrices<T>& dk, const Matrices<T>& dv) {
  parallel_for(a.batch.numel(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      HeadBackward<T>(a, i, at_batch(out, a.batch, i), at_batch(g, a.batch, i), lse + i * a.queries,
                      at_batch(dq, a.batch, i), at_batch(dk, a.batch, i), at_batch(dv, a.batch, i))
          .run();
    }
  });
}

int64_t attention_dropout_blocks(int64_t batches, int64_t queries, int64_t keys) {
  return batches * queries * groups_per_row(keys) * blocks_per_group;
}

template <class T>
void attention_dropout(int64_t batches, int64_t queries, int64_t keys, double p, PhiloxKey draws,
                       T* keep) {
  for (int64_t row = 0; row < batches * queries; ++row) {
    dropout_row(p, draws, row, keys, 0, keys, keep + row * keys);
  }
}

#define RAPT_INSTANTIATE(T)                                                                \
  template void attention(const Attention<T>&, const Matrices<T>&, T*);                    \
  template void attention_backward(const Attention<T>&, const Matrices<const T>&,          \
                                   const Matrices<const T>&, const T*, const Matrices<T>&, \
                                   const Matrices<T>&, const Matrices<T>&);                \
  template void attention_dropout(int64_t, int64_t, int64_t, double, PhiloxKey, T*);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
#undef RAPT_INSTANTIATE

}  // namespace rapt::kernels
