#include "rapt/autograd/kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "rapt/autograd/kernels/gemm.h"
#include "rapt/autograd/kernels/packed.h"
#include "rapt/autograd/kernels/parallel.h"
#include "rapt/autograd/kernels/philox.h"
#include "rapt/autograd/kernels/rows.h"
#include "rapt/autograd/kernels/scratch.h"

namespace rapt::kernels {
namespace {

constexpr int64_t queries_per_block = 64;
constexpr int64_t keys_per_block = 128;
static_assert(keys_per_block % draws_per_group == 0);
// A block of keys is laid out for the tiles once for this many queries.
constexpr int64_t queries_per_task = 4 * queries_per_block;
// Heads are split further when there are fewer than these to share among the threads.
constexpr int64_t wanted_tasks = 16;

int64_t parts(int64_t whole, int64_t part) { return (whole + part - 1) / part; }

int64_t groups_per_row(int64_t keys) { return parts(keys, draws_per_group); }

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
  /// mask. Those beyond visible_of have no meaning. k_turned: of these keys, and perhaps more.
  void scores(int64_t row, int64_t rows, int64_t column, int64_t columns,
              const PackedB<T>* k_turned, T* s) const {
    gemm<T>({rows,
             columns,
             a_.width,
             q.at(row, 0),
             k.at(column, 0).transposed(),
             {s, columns, 1},
             a_.scale},
            k_turned, triangle(Causal::Operand::c, row, column));
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
  const T new_top = std::max(top, seen.top);
  const T shift = new_top == -infinity<T> ? T(0) : new_top;
  const T factor = new_top == seen.top ? T(1) : seen.sum == 0 ? T(0) : std::exp(seen.top - shift);
  Total<T> total;
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

/// Some rows of one head's output, at most queries_per_task.
template <class T>
class Attend {
 public:
  Attend(const Attention<T>& a, int64_t index, int64_t first, int64_t rows, const Matrix<T>& out,
         T* lse)
      : a_(a), head_(a, index), first_(first), last_(first + rows - 1), out_(out), lse_(lse) {}

  void run() {
    const int64_t visible = head_.visible_keys(last_);
    const bool again = last_ - first_ >= queries_per_block;
    for (int64_t column = 0; column < visible; column += keys_per_block) {
      const int64_t columns = std::min(keys_per_block, visible - column);
      const MaybePacked<T> k(again, head_.k.at(column, 0).transposed(), a_.width, columns);
      const MaybePacked<T> v(again, head_.v.at(column, 0), columns, a_.value_width);
      for (int64_t row = first_; row <= last_; row += queries_per_block) {
        const int64_t rows = std::min(queries_per_block, last_ + 1 - row);
        const int64_t some = head_.visible_of(row + rows - 1, column, columns);
        if (some > 0) block(row, rows, column, some, k.get(), v.get());
      }
    }
    for (int64_t row = first_; row <= last_; ++row) finish(row);
  }

 private:
  void block(int64_t row, int64_t rows, int64_t column, int64_t columns, const PackedB<T>* k,
             const PackedB<T>* v) {
    const Matrix<T> out = out_.at(row, 0);
    head_.scores(row, rows, column, columns, k, s_);
    for (int64_t i = 0; i < rows; ++i) {
      T* line = s_ + i * columns;
      const int64_t some = head_.visible_of(row + i, column, columns);
      const T factor = join(seen_[row + i - first_], line, whole_blocks(line, some, columns));
      if (column > 0 && factor != 1) {
        multiply(out.data + i * out.row_stride, a_.value_width, factor);
      }
      if (a_.dropout > 0) {
        head_.dropout(row + i, column, columns, keep_);
        multiply<T>(line, columns, static_cast<const T*>(keep_));
      }
    }
    gemm<T>({rows,
             a_.value_width,
             columns,
             {s_, columns, 1},
             head_.v.at(column, 0),
             out,
             T(1),
             column > 0},
            v, head_.triangle(Causal::Operand::a, row, column));
  }

  void finish(int64_t row) {
    const Running<T>& seen = seen_[row - first_];
    T* const out = out_.at(row, 0).data;
    const bool none = seen.sum == 0;
    if (none) {
      std::fill_n(out, a_.value_width, T(0));
    } else {
      multiply(out, a_.value_width, T(1) / seen.sum);
    }
    lse_[row] = none ? infinity<T> : seen.top + std::log(seen.sum);
  }

  const Attention<T>& a_;
  const Head<T> head_;
  const int64_t first_, last_;
  const Matrix<T> out_;
  T* const lse_;
  Running<T> seen_[queries_per_task];
  const Scratch<T> s_{queries_per_block * keys_per_block}, keep_{keys_per_block};
};

}  // namespace

template <class T>
void attention(const Attention<T>& a, const Matrices<T>& out, T* lse) {
  const int64_t tasks = parts(a.queries, queries_per_task);
  parallel_for(a.batch.numel() * tasks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t index = task / tasks;
      // The last queries see the most keys: they come first, so that the threads end together.
      const int64_t row = (tasks - 1 - task % tasks) * queries_per_task;
      Attend<T>(a, index, row, std::min(queries_per_task, a.queries - row),
                at_batch(out, a.batch, index), lse + index * a.queries)
          .run();
    }
  });
}

namespace {

/// The gradients of one head, over all queries and over every `step`-th block of keys.
template <class T>
class HeadBackward {
 public:
  HeadBackward(const Attention<T>& a, int64_t index, const Matrix<const T>& out,
               const Matrix<const T>& g, const T* lse, const Matrix<T>& dq, const Matrix<T>& dk,
               const Matrix<T>& dv)
      : a_(a), head_(a, index), g_(g), lse_(lse), dq_(dq), dk_(dk), dv_(dv), dots_(a.queries) {
    clear(dq, a.queries, a.width);
    // What all weights of a row share: the output's gradient along the output.
    for (int64_t i = 0; i < a.queries; ++i) {
      dots_[i] = row_dot(g.data + i * g.row_stride, out.data + i * out.row_stride, a.value_width);
    }
  }

  void run(int64_t first_block, int64_t step) {
    for (int64_t column = first_block * keys_per_block; column < a_.keys;
         column += step * keys_per_block) {
      const int64_t columns = std::min(keys_per_block, a_.keys - column);
      clear(dk_.at(column, 0), columns, a_.width);
      clear(dv_.at(column, 0), columns, a_.value_width);
      const int64_t first = head_.first_query(column) / queries_per_block * queries_per_block;
      const bool again = first + queries_per_block < a_.queries;
      const MaybePacked<T> k_turned(again, head_.k.at(column, 0).transposed(), a_.width, columns);
      const MaybePacked<T> v_turned(again, head_.v.at(column, 0).transposed(), a_.value_width,
                                    columns);
      const MaybePacked<T> k(again, head_.k.at(column, 0), columns, a_.width);
      for (int64_t row = first; row < a_.queries; row += queries_per_block) {
        const int64_t rows = std::min(queries_per_block, a_.queries - row);
        const int64_t some = head_.visible_of(row + rows - 1, column, columns);
        if (some > 0) block(row, rows, column, some, k_turned.get(), v_turned.get(), k.get());
      }
    }
  }

 private:
  void block(int64_t row, int64_t rows, int64_t column, int64_t columns, const PackedB<T>* k_turned,
             const PackedB<T>* v_turned, const PackedB<T>* k_packed) {
    using enum Causal::Operand;
    const Matrix<const T> q = head_.q.at(row, 0), g = g_.at(row, 0);
    const Matrix<const T> k = head_.k.at(column, 0), v = head_.v.at(column, 0);
    const Causal of_a = head_.triangle(a, row, column);
    const Causal of_turned = head_.triangle(a_transposed, row, column);
    head_.scores(row, rows, column, columns, k_turned, p_);
    gemm<T>({rows, columns, a_.value_width, g, v.transposed(), {ds_, columns, 1}}, v_turned,
            head_.triangle(c, row, column));
    for (int64_t i = 0; i < rows; ++i) weights(row + i, i, column, columns);
    const Matrix<const T> p{p_, columns, 1}, ds{ds_, columns, 1};
    gemm<T>({columns, a_.value_width, rows, p.transposed(), g, dv_.at(column, 0), T(1), true},
            nullptr, of_turned);
    gemm<T>({rows, a_.width, columns, ds, k, dq_.at(row, 0), a_.scale, true}, k_packed, of_a);
    gemm<T>({columns, a_.width, rows, ds.transposed(), q, dk_.at(column, 0), a_.scale, true},
            nullptr, of_turned);
  }

  /// From the scores in p and the weights' gradients in ds: the weights (as dropped) and the
  /// scores' gradients.
  void weights(int64_t row, int64_t i, int64_t column, int64_t columns) {
    T *p = p_ + i * columns, *ds = ds_ + i * columns;
    const T shift = lse_[row], dot = dots_[row];
    const int64_t some = head_.visible_of(row, column, columns);
    const int64_t whole = whole_blocks(p, some, columns);
    std::fill(ds + some, ds + columns, T(0));
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
  const int64_t heads = a.batch.numel();
  if (heads == 0) return;
  // All blocks of keys add to dq: each part but the first has one of its own, added up at the end.
  const int64_t split = std::clamp<int64_t>(parts(wanted_tasks, heads), 1,
                                            std::max<int64_t>(parts(a.keys, keys_per_block), 1));
  const int64_t size = a.queries * a.width;
  const Scratch<T> others(heads * (split - 1) * size);
  const auto dq_of = [&](int64_t head, int64_t part) {
    if (part == 0) return at_batch(dq, a.batch, head);
    return Matrix<T>{others + (head * (split - 1) + part - 1) * size, a.width, 1};
  };
  parallel_for(heads * split, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t head = i / split, part = i % split;
      HeadBackward<T>(a, head, at_batch(out, a.batch, head), at_batch(g, a.batch, head),
                      lse + head * a.queries, dq_of(head, part), at_batch(dk, a.batch, head),
                      at_batch(dv, a.batch, head))
          .run(part, split);
    }
  });
  if (split == 1) return;
  parallel_for(heads * a.queries, queries_per_task, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t head = i / a.queries, row = i % a.queries;
      T* const to = dq_of(head, 0).at(row, 0).data;
      for (int64_t part = 1; part < split; ++part) {
        const T* from = dq_of(head, part).at(row, 0).data;
        for (int64_t j = 0; j < a.width; ++j) to[j] += from[j];
      }
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
