#include <algorithm>

#include "rapt/autograd/kernels/attention_head.h"
#include "rapt/autograd/kernels/parallel.h"
#include "rapt/autograd/kernels/scratch.h"

namespace rapt::kernels {
namespace {

// Heads are split further when there are fewer than these to share among the threads.
constexpr int64_t wanted_tasks = 16;

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

#define RAPT_INSTANTIATE(T)                                                                \
  template void attention_backward(const Attention<T>&, const Matrices<const T>&,          \
                                   const Matrices<const T>&, const T*, const Matrices<T>&, \
                                   const Matrices<T>&, const Matrices<T>&);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
#undef RAPT_INSTANTIATE

}  // namespace rapt::kernels
