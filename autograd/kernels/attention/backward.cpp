#include <algorithm>
#include <optional>

#include "rapt/autograd/kernels/attention/few_keys.h"
#include "rapt/autograd/kernels/attention/head_backward.h"
#include "rapt/autograd/kernels/runtime/parallel.h"
#include "rapt/autograd/kernels/runtime/scratch.h"

namespace rapt::kernels {
namespace {

// Blocks of keys are worked on side by side where heads alone are fewer than these tasks.
constexpr int64_t wanted_tasks = 16;

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
        dots_(heads_ * a.queries) {}

  void run() {
    if (at_once_ == 1) return all_blocks_of_each_head();
    others_.emplace(heads_ * (at_once_ - 1) * a_.queries * a_.width);
    for_rows([&](const BatchIndex& head, int64_t row, int64_t rows) { prepare(head, row, rows); });
    for (int64_t first = 0; first < blocks_; first += at_once_) side_by_side(first);
    parallel_for(heads_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t head = begin; head < end; ++head) settle_masked({a_.batch, head});
    });
  }

  /// See attention_added_backward. One task for each matrix that entries of the batch share and, if
  /// it has a column for each key that no other block writes to, for each block of keys; so that
  /// none adds where another does, and the order of a sum depends on the sizes alone.
  void run_added(const Matrices<T>& to) {
    for_rows([&](const BatchIndex& head, int64_t row, int64_t rows) { set_dots(head, row, rows); });
    PoolVector<T*> owners;
    for (int64_t head = 0; head < heads_; ++head) {
      owners.push_back(BatchIndex(a_.batch, head).of(to).data);
    }
    std::sort(owners.begin(), owners.end());
    owners.erase(std::unique(owners.begin(), owners.end()), owners.end());
    const auto matrices = static_cast<int64_t>(owners.size());
    const Matrix<T>& shared = to.first;
    const bool columns_apart =
        shared.column_stride != 0 && shared.row_stride != -shared.column_stride;
    const int64_t across = columns_apart ? blocks_ : 1;
    parallel_for(matrices * across, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t first = across == 1 ? 0 : task % across;
        const int64_t last = across == 1 ? blocks_ : first + 1;
        for (int64_t index = 0; index < heads_; ++index) {
          const BatchIndex head(a_.batch, index);
          const Matrix<T> sum = head.of(to);
          if (sum.data != owners[static_cast<size_t>(task / across)]) continue;
          HeadBackward<T> one = backward_of(head);
          for (int64_t block = first; block < last; ++block) {
            one.add_to_added(block * keys_per_block, sum);
          }
        }
      }
    });
  }

 private:
  void set_dots(const BatchIndex& head, int64_t row, int64_t rows) const {
    const Matrix<const T> out = head.of(out_).at(row, 0), g = head.of(g_).at(row, 0);
    T* const dots = dots_ + head.index() * a_.queries + row;
    for (int64_t i = 0; i < rows; ++i) {
      dots[i] = row_dot(g.data + i * g.row_stride, out.data + i * out.row_stride, a_.value_width);
    }
  }

  /// Their dots; and a dq of 0, where no block of keys is seen. The first that is sets the others.
  void prepare(const BatchIndex& head, int64_t row, int64_t rows) const {
    set_dots(head, row, rows);
    for_query_blocks(row, rows, [&](int64_t first, int64_t some) {
      const KeySpan blocks = blocks_seen(head, first);
      if (blocks.begin >= blocks.end) clear(head.of(dq_).at(first, 0), some, a_.width);
    });
  }

  /// f(row, rows) for each block of queries among them.
  template <class F>
  static void for_query_blocks(int64_t row, int64_t rows, F f) {
    for (int64_t first = row; first < row + rows; first += queries_per_block) {
      f(first, std::min(queries_per_block, row + rows - first));
    }
  }

  /// The blocks of keys that the block of queries from `row` on sees, as HeadBackward::rows_of has
  /// it.
  KeySpan blocks_seen(const BatchIndex& head, int64_t row) const {
    const int64_t last = std::min(row + queries_per_block, a_.queries) - 1;
    const KeySpansOf spans(a_.spans, head.index(), a_.keys);
    return {spans(row).begin / keys_per_block, ceil_div(spans(last).end, keys_per_block)};
  }

  void all_blocks_of_each_head() {
    parallel_for(heads_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t index = begin; index < end; ++index) {
        const BatchIndex head(a_.batch, index);
        prepare(head, 0, a_.queries);
        HeadBackward<T> one = backward_of(head);
        all_blocks(one, head);
        settle_masked(head);
      }
    });
  }

  void all_blocks(HeadBackward<T>& one, const BatchIndex& head) const {
    for (int64_t block = 0; block < blocks_; ++block) run_block(one, head, block);
  }

  /// One block of keys, after those before it: the first that a query sees sets its dq.
  void run_block(HeadBackward<T>& one, const BatchIndex& head, int64_t block) const {
    one.run(block * keys_per_block, head.of(dq_), head.of(dk_), head.of(dv_),
            [&](int64_t row) { return block > blocks_seen(head, row).begin; });
  }

  /// Once more without the masked terms, where NaN may have come from one.
  void settle_masked(const BatchIndex& head) const {
    if (!has_mask(a_)) return;
    // What is not finite in the q or g of a query shows in its dq; but where it has no weights, or
    // dq no columns, or a cap makes a slope of 0 of it, in dk or dv alone.
    const bool may_hide = a_.width == 0 || a_.soft_cap || has_query_without_weights(head);
    if (!has_nan(head.of(dq_), a_.queries, a_.width) &&
        !(may_hide && (has_nan(head.of(dk_), a_.keys, a_.width) ||
                       has_nan(head.of(dv_), a_.keys, a_.value_width)))) {
      return;
    }
    HeadBackward<T> one = backward_of(head);
    one.leave_out_masked();
    all_blocks(one, head);
  }

  /// One that may see nothing, or only scores of -inf.
  bool has_query_without_weights(const BatchIndex& head) const {
    const T* const factors = softmax_.factor + head.index() * a_.queries;
    return std::find(factors, factors + a_.queries, T(0)) != factors + a_.queries;
  }

  /// Some blocks of every head: the first works on dq itself, the others on a matrix of their own.
  void side_by_side(int64_t first) {
    const int64_t some = std::min(at_once_, blocks_ - first);
    parallel_for(heads_ * some, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const BatchIndex head(a_.batch, i / some);
        const int64_t block = i % some;
        HeadBackward<T> one = backward_of(head);
        if (block == 0) {
          run_block(one, head, first);
        } else {
          one.run((first + block) * keys_per_block, other(head, block), head.of(dk_), head.of(dv_),
                  [](int64_t) { return false; });
        }
      }
    });
    for_rows([&](const BatchIndex& head, int64_t row, int64_t rows) {
      for_query_blocks(row, rows, [&](int64_t at, int64_t count) {
        const KeySpan seen = blocks_seen(head, at);
        for (int64_t block = 1; block < some; ++block) {
          if (first + block < seen.begin || first + block >= seen.end) continue;
          const Matrix<T> to = head.of(dq_).at(at, 0);
          if (first + block == seen.begin) clear(to, count, a_.width);
          add(other(head, block).at(at, 0), count, to);
        }
      });
    });
  }

  void add(const Matrix<T>& from, int64_t rows, const Matrix<T>& to) const {
    for (int64_t i = 0; i < rows; ++i) {
      const T* __restrict one = from.data + i * from.row_stride;
      T* __restrict sum = to.data + i * to.row_stride;
      for (int64_t j = 0; j < a_.width; ++j) sum[j] += one[j];
    }
  }

  /// f(head, row, rows) for all queries, some rows at a time.
  void for_rows(FunctionRef<void(const BatchIndex&, int64_t, int64_t)> f) const {
    const int64_t tasks = ceil_div(a_.queries, queries_per_task);
    parallel_for(heads_ * tasks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = i % tasks * queries_per_task;
        f({a_.batch, i / tasks}, row, std::min(queries_per_task, a_.queries - row));
      }
    });
  }

  HeadBackward<T> backward_of(const BatchIndex& head) const {
    const int64_t row = head.index() * a_.queries;
    return {a_, head, head.of(g_), {softmax_.shift + row, softmax_.factor + row}, dots_ + row};
  }
  Matrix<T> other(const BatchIndex& head, int64_t block) const {
    return {*others_ + (head.index() * (at_once_ - 1) + block - 1) * a_.queries * a_.width,
            a_.width, 1};
  }

  const Attention<T>& a_;
  const Matrices<const T>&out_, &g_;
  const Softmax<const T> softmax_;
  const Matrices<T> dq_, dk_, dv_;
  const int64_t heads_, blocks_, at_once_;
  const Scratch<T> dots_;
  std::optional<Scratch<T>> others_;  // see other()
};

}  // namespace

template <class T>
void attention_backward(const Attention<T>& a, const Matrices<const T>& out,
                        const Matrices<const T>& g, Softmax<const T> softmax, const Matrices<T>& dq,
                        const Matrices<T>& dk, const Matrices<T>& dv) {
  if (a.batch.numel() == 0) return;
  if (has_few_keys(a)) {
    return for_each_of_few_keys(a, [&](auto& head, const BatchIndex& at) {
      const int64_t row = at.index() * a.queries;
      head.backward(at.of(out), at.of(g), {softmax.shift + row, softmax.factor + row}, at.of(dq),
                    at.of(dk), at.of(dv));
    });
  }
  AllHeads<T>(a, out, g, softmax, dq, dk, dv).run();
}

template <class T>
void attention_added_backward(const Attention<T>& a, const Matrices<const T>& out,
                              const Matrices<const T>& g, Softmax<const T> softmax,
                              const Matrices<T>& to) {
  if (a.batch.numel() == 0) return;
  AllHeads<T>(a, out, g, softmax, {}, {}, {}).run_added(to);
}

#define RAPT_INSTANTIATE(T)                                                                        \
  template void attention_backward(const Attention<T>&, const Matrices<const T>&,                  \
                                   const Matrices<const T>&, Softmax<const T>, const Matrices<T>&, \
                                   const Matrices<T>&, const Matrices<T>&);                        \
  template void attention_added_backward(const Attention<T>&, const Matrices<const T>&,            \
                                         const Matrices<const T>&, Softmax<const T>,               \
                                         const Matrices<T>&);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
#undef RAPT_INSTANTIATE

}  // namespace rapt::kernels
