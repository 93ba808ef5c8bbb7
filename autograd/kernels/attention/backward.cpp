#include <algorithm>
#include <optional>

#include "rapt/autograd/kernels/attention/head.h"
#include "rapt/autograd/kernels/attention/masked.h"
#include "rapt/autograd/kernels/runtime/parallel.h"
#include "rapt/autograd/kernels/runtime/scratch.h"

namespace rapt::kernels {
namespace {

// Blocks of keys are worked on side by side where heads alone are fewer than these tasks.
constexpr int64_t wanted_tasks = 16;

/// The gradients of one head, for some blocks of keys over all queries.
template <class T>
class HeadBackward {
 public:
  /// dots [queries]: what all weights of a row share, the output's gradient along the output.
  HeadBackward(const Attention<T>& a, int64_t index, const Matrix<const T>& g,
               const Softmax<const T>& softmax, const T* dots, const Matrix<T>& dk,
               const Matrix<T>& dv)
      : a_(a), head_(a, index), g_(g), softmax_(softmax), dots_(dots), dk_(dk), dv_(dv) {}

  /// The block of keys from `column` on: dk and dv of these keys, and what they give to the queries
  /// that see them: dq += it, or dq = it.
  void run(int64_t column, const Matrix<T>& dq, bool adds) {
    const int64_t columns = std::min(keys_per_block, a_.keys - column);
    clear(dk_.at(column, 0), columns, a_.width);
    clear(dv_.at(column, 0), columns, a_.value_width);
    const int64_t first = first_row(head_, column);
    const bool again = first + queries_per_block < a_.queries;
    const MaybePacked<T> k_transposed(again, head_.k.at(column, 0).transposed(), a_.width, columns);
    const MaybePacked<T> v_transposed(again, head_.v.at(column, 0).transposed(), a_.value_width,
                                      columns);
    const MaybePacked<T> k(again, head_.k.at(column, 0), columns, a_.width);
    for (int64_t row = first; row < a_.queries; row += queries_per_block) {
      const int64_t rows = std::min(queries_per_block, a_.queries - row);
      const int64_t some = head_.visible_of(row + rows - 1, column, columns);
      const Matrix<T> to = dq.at(row, 0);
      if (some > 0) {
        block(row, rows, column, some, k_transposed.get(), v_transposed.get(), k.get(), to, adds);
      } else if (!adds) {
        clear(to, rows, a_.width);
      }
    }
  }

  /// From now on, leaves out the masked terms of all products.
  void leave_out_masked() { masked_.emplace(); }

  /// Queries before this one do not see the keys from `column` on, and run() leaves their dq alone.
  static int64_t first_row(const Head<T>& head, int64_t column) {
    return head.first_query(column) / queries_per_block * queries_per_block;
  }

 private:
  void block(int64_t row, int64_t rows, int64_t column, int64_t columns,
             const PackedB<T>* k_transposed, const PackedB<T>* v_transposed,
             const PackedB<T>* k_packed, const Matrix<T>& dq, bool adds) {
    using enum Causal::Operand;
    const Matrix<const T> q = head_.q.at(row, 0), g = g_.at(row, 0);
    const Matrix<const T> k = head_.k.at(column, 0), v = head_.v.at(column, 0);
    const Causal of_a = head_.triangle(a, row, column);
    const Causal of_transposed = head_.triangle(a_transposed, row, column);
    head_.scores(row, rows, column, columns, k_transposed, p_);
    gemm<T>({rows, columns, a_.value_width, g, v.transposed(), {ds_, columns, 1}}, v_transposed,
            head_.triangle(c, row, column));
    for (int64_t i = 0; i < rows; ++i) weights(row + i, i, column, columns);
    const Matrix<const T> p{p_, columns, 1}, ds{ds_, columns, 1};
    const Matrix<T> dk = dk_.at(column, 0), dv = dv_.at(column, 0);
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
    gemm<T>(to_dv, nullptr, of_transposed);
    gemm<T>(to_dq, k_packed, of_a);
    gemm<T>(to_dk, nullptr, of_transposed);
  }

  /// From the scores in p and the weights' gradients in ds: the weights (as dropped) and the
  /// scores' gradients.
  void weights(int64_t row, int64_t i, int64_t column, int64_t columns) {
    T *p = p_ + i * columns, *ds = ds_ + i * columns;
    const T shift = softmax_.shift[row], factor = softmax_.factor[row], dot = dots_[row];
    const int64_t some = head_.visible_of(row, column, columns);
    if (masked_) masked_->note(i, head_, row, column, columns);
    const int64_t whole = pad_scores(p, some, columns);
    std::fill(ds + some, ds + columns, T(0));
    if (factor == T(0)) {  // no weight on any key, and no gradient, whatever arrives
      std::fill_n(p, columns, T(0));
      std::fill_n(ds, columns, T(0));
      return;
    }
    if (a_.dropout == 0) {
      for_each_block(p, ds, whole,
                     [&](const Block<T>& u, const Block<T>& v, int64_t at, int64_t count) {
                       const Block<T> weight = exp<T>(u - shift) * factor;
                       store_some<T>(p + at, weight, count);
                       store_some<T>(ds + at, weight * (v - dot), count);
                     });
      return clear_masked(i, columns);
    }
    head_.dropout(row, column, columns, keep_);
    for_each_block(p, ds, whole,
                   [&](const Block<T>& u, const Block<T>& v, int64_t at, int64_t count) {
                     const Block<T> weight = exp<T>(u - shift) * factor;
                     const Block<T> keep = load_some<T>(keep_, at, count, T(0));
                     store_some<T>(p + at, weight * keep, count);
                     store_some<T>(ds + at, weight * (v * keep - dot), count);
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
  const Matrix<T> dk_, dv_;
  const Scratch<T> p_{queries_per_block * keys_per_block};
  const Scratch<T> ds_{queries_per_block * keys_per_block};
  const Scratch<T> keep_{keys_per_block};
  std::optional<MaskedScores<T>> masked_;  // while the masked terms are left out
};

/// The gradients of all heads. A query's dq is the sum over blocks of keys in their order, however
/// many are worked on at a time: the first of them adds to dq itself, the others have a matrix of
/// their own each, which are then added in order.
template <class T>
class AllHeads {
 public:
  AllHeads(const Attention<T>& a, const Matrices<const T>& out, const Matrices<const T>& g,
           const Softmax<const T>& softmax, const Matrices<T>& dq, const Matrices<T>& dk,
           const Matrices<T>& dv)
      : a_(a),
        out_(out),
        g_(g),
        softmax_(softmax),
        dq_(dq),
        dk_(dk),
        dv_(dv),
        heads_(a.batch.numel()),
        blocks_(ceil_div(a.keys, keys_per_block)),
        at_once_(
            std::clamp<int64_t>(ceil_div(wanted_tasks, heads_), 1, std::max<int64_t>(blocks_, 1))),
        dots_(heads_ * a.queries),
        others_(heads_ * (at_once_ - 1) * a.queries * a.width) {}

  void run() {
    if (at_once_ == 1) return all_blocks_of_each_head();
    for_rows(0, [&](int64_t head, int64_t row, int64_t rows) { prepare(head, row, rows); });
    for (int64_t first = 0; first < blocks_; first += at_once_) side_by_side(first);
    parallel_for(heads_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t head = begin; head < end; ++head) settle_masked(head);
    });
  }

 private:
  /// Their dots; and a dq of 0, where no key is seen. The first block of keys sets the others.
  void prepare(int64_t head, int64_t row, int64_t rows) const {
    const Matrix<const T> out = of(out_, head).at(row, 0), g = of(g_, head).at(row, 0);
    T* const dots = dots_ + head * a_.queries + row;
    for (int64_t i = 0; i < rows; ++i) {
      dots[i] = row_dot(g.data + i * g.row_stride, out.data + i * out.row_stride, a_.value_width);
    }
    const int64_t first = blocks_ == 0 ? a_.queries : first_row(0);
    const int64_t unseen = std::min(first, row + rows) - row;
    if (unseen > 0) clear(of(dq_, head).at(row, 0), unseen, a_.width);
  }

  /// The first query that sees a key of the block, or one of its block of queries.
  int64_t first_row(int64_t block) const {
    return HeadBackward<T>::first_row(Head<T>(a_, 0), block * keys_per_block);
  }

  void all_blocks_of_each_head() {
    parallel_for(heads_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t head = begin; head < end; ++head) {
        prepare(head, 0, a_.queries);
        HeadBackward<T> one = backward_of(head);
        all_blocks(one, head);
        settle_masked(head);
      }
    });
  }

  void all_blocks(HeadBackward<T>& one, int64_t head) const {
    for (int64_t block = 0; block < blocks_; ++block) {
      one.run(block * keys_per_block, of(dq_, head), block > 0);
    }
  }

  /// Once more without the masked terms, where NaN may have come from one.
  void settle_masked(int64_t head) const {
    const Head<T> of_head(a_, head);
    if (!of_head.masks()) return;
    // What is not finite in the q or g of a query shows in its dq; but where it has no weights, or
    // dq no columns, in dk or dv alone.
    const bool may_hide = a_.width == 0 || has_query_without_weights(head);
    if (!has_nan(of(dq_, head), a_.queries, a_.width) &&
        !(may_hide && (has_nan(of(dk_, head), a_.keys, a_.width) ||
                       has_nan(of(dv_, head), a_.keys, a_.value_width)))) {
      return;
    }
    HeadBackward<T> one = backward_of(head);
    one.leave_out_masked();
    all_blocks(one, head);
  }

  /// One that may see nothing, or only scores of -inf.
  bool has_query_without_weights(int64_t head) const {
    const T* const factors = softmax_.factor + head * a_.queries;
    return std::find(factors, factors + a_.queries, T(0)) != factors + a_.queries;
  }

  /// Some blocks of every head.
  void side_by_side(int64_t first) {
    const int64_t some = std::min(at_once_, blocks_ - first);
    parallel_for(heads_ * some, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t head = i / some, block = i % some;
        backward_of(head).run((first + block) * keys_per_block,
                              block == 0 ? of(dq_, head) : other(head, block),
                              block == 0 && first > 0);
      }
    });
    for_rows(first_row(first), [&](int64_t head, int64_t row, int64_t rows) {
      for (int64_t block = 1; block < some; ++block) {
        const int64_t begin = std::max(row, first_row(first + block));
        add(other(head, block).at(begin, 0), row + rows - begin, of(dq_, head).at(begin, 0));
      }
    });
  }

  void add(const Matrix<T>& from, int64_t rows, const Matrix<T>& to) const {
    for (int64_t i = 0; i < rows; ++i) {
      const T* __restrict one = from.data + i * from.row_stride;
      T* __restrict sum = to.data + i * to.row_stride;
      for (int64_t j = 0; j < a_.width; ++j) sum[j] += one[j];
    }
  }

  /// f(head, row, rows) for the queries from `first` on, some rows at a time.
  void for_rows(int64_t first, FunctionRef<void(int64_t, int64_t, int64_t)> f) const {
    const int64_t tasks = ceil_div(a_.queries - first, queries_per_task);
    parallel_for(heads_ * tasks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = first + i % tasks * queries_per_task;
        f(i / tasks, row, std::min(queries_per_task, a_.queries - row));
      }
    });
  }

  HeadBackward<T> backward_of(int64_t head) const {
    const int64_t row = head * a_.queries;
    return {a_,          head,          of(g_, head), {softmax_.shift + row, softmax_.factor + row},
            dots_ + row, of(dk_, head), of(dv_, head)};
  }
  template <class U>
  Matrix<U> of(const Matrices<U>& all, int64_t head) const {
    return at_batch(all, a_.batch, head);
  }
  Matrix<T> other(int64_t head, int64_t block) const {
    return {others_ + (head * (at_once_ - 1) + block - 1) * a_.queries * a_.width, a_.width, 1};
  }

  const Attention<T>& a_;
  const Matrices<const T>&out_, &g_;
  const Softmax<const T> softmax_;
  const Matrices<T>&dq_, &dk_, &dv_;
  const int64_t heads_, blocks_, at_once_;
  const Scratch<T> dots_, others_;
};

}  // namespace

template <class T>
void attention_backward(const Attention<T>& a, const Matrices<const T>& out,
                        const Matrices<const T>& g, Softmax<const T> softmax, const Matrices<T>& dq,
                        const Matrices<T>& dk, const Matrices<T>& dv) {
  if (a.batch.numel() == 0) return;
  AllHeads<T>(a, out, g, softmax, dq, dk, dv).run();
}

#define RAPT_INSTANTIATE(T)                                                                        \
  template void attention_backward(const Attention<T>&, const Matrices<const T>&,                  \
                                   const Matrices<const T>&, Softmax<const T>, const Matrices<T>&, \
                                   const Matrices<T>&, const Matrices<T>&);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
#undef RAPT_INSTANTIATE

}  // namespace rapt::kernels
