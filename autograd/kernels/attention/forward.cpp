#include "rapt/autograd/kernels/attention/attention.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>

#include "rapt/autograd/kernels/attention/few_keys.h"
#include "rapt/autograd/kernels/attention/head.h"
#include "rapt/autograd/kernels/attention/masked.h"
#include "rapt/autograd/kernels/runtime/parallel.h"
#include "rapt/autograd/kernels/runtime/scratch.h"

namespace rapt::kernels {
namespace {

/// The softmax of a row that arrives block by block (arXiv:1805.02867): its maximum and the sum of
/// exp(x - top) so far.
template <class T>
struct OnlineSoftmax {
  T top = -infinity<T>;
  T sum = 0;
};

/// One more block, `line` [columns]:
///   top'  = max(top, max(line))
///   line  = exp(line - top')
///   sum'  = sum * exp(top - top') + sum(line)
/// Returns exp(top - top'), by which what was weighted before has to be multiplied.
template <class T>
T online_softmax_step(OnlineSoftmax<T>& seen, T* line, int64_t columns) {
  const T top = row_max(line, columns);
  const T new_top = std::max(top, seen.top);
  const T shift = new_top == -infinity<T> ? T(0) : new_top;
  const T factor = new_top == seen.top ? T(1) : seen.sum == 0 ? T(0) : exp_one(seen.top - shift);
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

template <class T>
void multiply(T* line, int64_t count, T factor) {
  for (int64_t i = 0; i < count; ++i) line[i] *= factor;
}

template <class T>
void multiply(T* line, int64_t count, const T* factors) {
  for (int64_t i = 0; i < count; ++i) line[i] *= factors[i];
}

/// Some rows of one head's output, at most queries_per_task.
template <class T>
class Attend {
 public:
  Attend(const Attention<T>& a, const BatchIndex& at, int64_t first, int64_t rows,
         const Matrices<T>& out, const Softmax<T>& softmax)
      : a_(a),
        head_(a, at),
        first_(first),
        last_(first + rows - 1),
        out_(at.of(out)),
        softmax_(softmax) {}

  void run() {
    all_blocks();
    if (!has_mask(a_) || !has_nan(out_.at(first_, 0), last_ + 1 - first_, a_.value_width)) return;
    masked_.emplace();
    all_blocks();
  }

 private:
  void all_blocks() {
    const KeySpan all = head_.keys_of(first_, last_ + 1 - first_);
    const bool several = last_ - first_ >= queries_per_block;
    std::fill(std::begin(started_), std::end(started_), false);
    const T sink = head_.sink();
    std::fill_n(seen_, last_ + 1 - first_,
                OnlineSoftmax<T>{sink, sink == -infinity<T> ? T(0) : T(1)});
    for (int64_t column = all.begin / keys_per_block * keys_per_block; column < all.end;
         column += keys_per_block) {
      const int64_t columns = std::min(keys_per_block, all.end - column);
      const MaybePacked<T> k(several, head_.k.at(column, 0).transposed(), a_.width, columns);
      const MaybePacked<T> v(several, head_.v.at(column, 0), columns, a_.value_width);
      for (int64_t row = first_; row <= last_; row += queries_per_block) {
        const int64_t rows = std::min(queries_per_block, last_ + 1 - row);
        const KeySpan span = head_.keys_of(row, rows);
        const int64_t some = std::min(columns, span.end - column);
        if (some <= 0 || span.begin >= column + some) continue;
        if (head_.all_masked(row, rows, column, some)) continue;
        block(row, rows, column, some, k.get(), v.get());
      }
    }
    for (int64_t row = first_; row <= last_; ++row) finish(row);
  }

  void block(int64_t row, int64_t rows, int64_t column, int64_t columns, const PackedB<T>* k,
             const PackedB<T>* v) {
    const Matrix<T> out = out_.at(row, 0);
    bool& started = started_[(row - first_) / queries_per_block];
    head_.scores(row, rows, column, columns, k, s_);
    for (int64_t i = 0; i < rows; ++i) {
      T* line = s_ + i * columns;
      if (masked_) masked_->note(i, head_, row + i, column, columns);
      const KeySpan some = pad_scores(line, head_.span_in(row + i, column, columns), columns);
      const T factor =
          online_softmax_step(seen_[row + i - first_], line + some.begin, some.end - some.begin);
      if (started && factor != 1) {
        multiply(out.data + i * out.row_stride, a_.value_width, factor);
      }
      if (a_.dropout > 0) {
        head_.dropout(row + i, column, columns, keep_);
        multiply<T>(line, columns, static_cast<const T*>(keep_));
      }
    }
    const Product<T> product{rows, a_.value_width, columns, {s_, columns, 1}, head_.v.at(column, 0),
                             out,  T(1),           started};
    started = true;
    if (masked_) return gemm_of_seen(product, *masked_);
    gemm<T>(product, v, head_.band(Band::Operand::a, row, column));
  }

  /// True for a query that may attend to nothing: its sink then has no gradient, whatever arrives.
  bool is_sink_alone(int64_t row, const OnlineSoftmax<T>& seen) const {
    if (!a_.sink || seen.top != head_.sink() || seen.sum != T(1)) return false;
    const KeySpan span = head_.keys_of(row);
    for (int64_t key = span.begin; key < span.end; ++key) {
      if (!head_.is_masked(row, key)) return false;  // a weight that is too small to be seen
    }
    return true;
  }

  void finish(int64_t row) {
    const OnlineSoftmax<T>& seen = seen_[row - first_];
    T* const out = out_.at(row, 0).data;
    const bool none = seen.sum == 0 || is_sink_alone(row, seen);
    const T factor = none ? T(0) : T(1) / seen.sum;
    if (none || !started_[(row - first_) / queries_per_block]) {
      std::fill_n(out, a_.value_width, T(0));
    } else {
      multiply(out, a_.value_width, factor);
    }
    softmax_.shift[row] = none ? T(0) : seen.top;
    softmax_.factor[row] = factor;
  }

  const Attention<T>& a_;
  const Head<T> head_;
  const int64_t first_, last_;
  const Matrix<T> out_;
  const Softmax<T> softmax_;
  OnlineSoftmax<T> seen_[queries_per_task];
  bool started_[queries_per_task / queries_per_block];  // out holds something, of these queries
  const Scratch<T> s_{queries_per_block * keys_per_block}, keep_{keys_per_block};
  std::optional<MaskedScores<T>> masked_;  // while the masked terms are left out
};

/// How many tasks are worth a thread. A few queries, as of a new token, read all keys and values
/// for little work: some 20 KB of them take a microsecond, and a thread is woken in 10.
template <class T>
int64_t grain_of(const Attention<T>& a) {
  constexpr int64_t few_queries = 8, bytes_worth_a_thread = 200'000;
  if (a.queries > few_queries) return 1;
  const int64_t bytes = a.keys * (a.width + a.value_width) * static_cast<int64_t>(sizeof(T));
  return std::max<int64_t>(1, bytes_worth_a_thread / std::max<int64_t>(bytes, 1));
}

}  // namespace

template <class T>
void attention(const Attention<T>& a, const Matrices<T>& out, Softmax<T> softmax) {
  if (has_few_keys(a)) {
    return for_each_of_few_keys(a, [&](auto& head, const BatchIndex& at) {
      const int64_t row = at.index() * a.queries;
      head.forward(at.of(out), {softmax.shift + row, softmax.factor + row});
    });
  }
  const int64_t tasks = ceil_div(a.queries, queries_per_task);
  parallel_for(a.batch.numel() * tasks, grain_of(a), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t index = task / tasks;
      // The last queries see the most keys: they come first, so that the threads end together.
      const int64_t row = (tasks - 1 - task % tasks) * queries_per_task;
      Attend<T>(a, BatchIndex(a.batch, index), row, std::min(queries_per_task, a.queries - row),
                out,
                Softmax<T>{softmax.shift + index * a.queries, softmax.factor + index * a.queries})
          .run();
    }
  });
}

int64_t attention_dropout_blocks(int64_t batches, int64_t queries, int64_t keys) {
  return batches * queries * groups_of_draws(keys) * blocks_per_group;
}

template <class T>
void attention_dropout(int64_t batches, int64_t queries, int64_t keys, int64_t first, int64_t rows,
                       double p, PhiloxKey draws, T* keep) {
  for (int64_t i = 0; i < batches * rows; ++i) {
    const int64_t row = i / rows * queries + first + i % rows;
    dropout_row(p, draws, row, keys, 0, keys, keep + i * keys);
  }
}

#define RAPT_INSTANTIATE(T)                                                                       \
  template void attention(const Attention<T>&, const Matrices<T>&, Softmax<T>);                   \
  template void attention_dropout(int64_t, int64_t, int64_t, int64_t, int64_t, double, PhiloxKey, \
                                  T*);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
#undef RAPT_INSTANTIATE

}  // namespace rapt::kernels
