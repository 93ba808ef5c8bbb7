#include "rapt/autograd/kernels/attention/additive.h"

#include <algorithm>

#include "rapt/autograd/kernels/attention/head.h"
#include "rapt/autograd/kernels/math.h"
#include "rapt/autograd/kernels/rows.h"
#include "rapt/autograd/kernels/runtime/parallel.h"

namespace rapt::kernels {
namespace {

/// One entry of the batch.
template <class T>
class AdditiveHead {
 public:
  AdditiveHead(const AdditiveScores<T>& a, int64_t entry)
      : a_(a),
        q_(at_batch(a.q, a.batch, entry)),
        k_(at_batch(a.k, a.batch, entry)),
        weight_(at_batch(a.weight, a.batch, entry).data) {
    if (a.masked) masked_ = at_batch(*a.masked, a.batch, entry);
  }

  T score(int64_t i, int64_t j) const {
    if (is_masked(i, j)) return T(0);
    Total<T> total;
    for_each_block(q_.at(i, 0).data, k_.at(j, 0).data, a_.width,
                   [&](const Block<T>& u, const Block<T>& v, int64_t at, int64_t count) {
                     total += tanh<T>(u + v) * load_some<T>(weight_, at, count, T(0));
                   });
    return total.sum();
  }

  /// Adds to each of these rows that is not null what the pair gives to it, for its score's
  /// gradient.
  void add_gradients(int64_t i, int64_t j, T gradient, T* dq, T* dk, T* dweight) const {
    if (is_masked(i, j)) return;
    for_each_block(q_.at(i, 0).data, k_.at(j, 0).data, a_.width,
                   [&](const Block<T>& u, const Block<T>& v, int64_t at, int64_t count) {
                     const Block<T> t = tanh<T>(u + v);
                     const Block<T> w = load_some<T>(weight_, at, count, T(0));
                     const Block<T> d = w * (T(1) - t * t) * gradient;
                     add(d, dq, at, count);
                     add(d, dk, at, count);
                     add(t * gradient, dweight, at, count);
                   });
  }

 private:
  bool is_masked(int64_t i, int64_t j) const { return masked_ && *masked_->at(i, j).data; }

  [[gnu::always_inline]] static void add(const Block<T>& d, T* to, int64_t at, int64_t count) {
    if (to == nullptr) return;
    store_some<T>(to + at, load_some<T>(to, at, count, T(0)) + d, count);
  }

  const AdditiveScores<T>& a_;
  const Matrix<const T> q_, k_;
  const T* const weight_;
  std::optional<Matrix<const bool>> masked_;
};

/// f(entry, row) for the rows of all entries, spread over the threads; a row is so much work.
template <class F>
void for_each_row_of_entries(int64_t entries, int64_t rows, int64_t work, F f) {
  const int64_t grain = std::max<int64_t>(1, 1024 / std::max<int64_t>(1, work));
  parallel_for(entries * rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; ++at) f(at / rows, at % rows);
  });
}

// From so many entries on, one pass over each does all: fewer leave threads without work.
constexpr int64_t many_entries = 16;

}  // namespace

template <class T>
void additive_scores(const AdditiveScores<T>& a, T* s) {
  for_each_row_of_entries(a.batch.numel(), a.queries, a.keys * a.width,
                          [&](int64_t entry, int64_t i) {
                            const AdditiveHead<T> head(a, entry);
                            T* const row = s + (entry * a.queries + i) * a.keys;
                            for (int64_t j = 0; j < a.keys; ++j) row[j] = head.score(i, j);
                          });
}

template <class T>
void additive_scores_backward(const AdditiveScores<T>& a, const T* g, T* dq, T* dk, T* dweight) {
  const int64_t entries = a.batch.numel();
  std::fill_n(dq, entries * a.queries * a.width, T(0));
  std::fill_n(dk, entries * a.keys * a.width, T(0));
  std::fill_n(dweight, entries * a.queries * a.width, T(0));
  const auto query = [&](const AdditiveHead<T>& head, int64_t entry, int64_t i, bool with_keys) {
    const int64_t row = entry * a.queries + i;
    for (int64_t j = 0; j < a.keys; ++j) {
      head.add_gradients(i, j, g[row * a.keys + j], dq + row * a.width,
                         with_keys ? dk + (entry * a.keys + j) * a.width : nullptr,
                         dweight + row * a.width);
    }
  };
  // The order of each sum is the same in one pass and in two.
  if (entries >= many_entries) {
    return for_each_row_of_entries(entries, 1, a.queries * a.keys * a.width,
                                   [&](int64_t entry, int64_t) {
                                     const AdditiveHead<T> head(a, entry);
                                     for (int64_t i = 0; i < a.queries; ++i) {
                                       query(head, entry, i, true);
                                     }
                                   });
  }
  for_each_row_of_entries(entries, a.queries, a.keys * a.width, [&](int64_t entry, int64_t i) {
    query(AdditiveHead<T>(a, entry), entry, i, false);
  });
  for_each_row_of_entries(entries, a.keys, a.queries * a.width, [&](int64_t entry, int64_t j) {
    const AdditiveHead<T> head(a, entry);
    for (int64_t i = 0; i < a.queries; ++i) {
      head.add_gradients(i, j, g[(entry * a.queries + i) * a.keys + j], nullptr,
                         dk + (entry * a.keys + j) * a.width, nullptr);
    }
  });
}

#define RAPT_INSTANTIATE(T)                                    \
  template void additive_scores(const AdditiveScores<T>&, T*); \
  template void additive_scores_backward(const AdditiveScores<T>&, const T*, T*, T*, T*);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
#undef RAPT_INSTANTIATE

}  // namespace rapt::kernels
