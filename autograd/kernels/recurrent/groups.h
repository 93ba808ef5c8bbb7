#pragma once

#include <algorithm>
#include <optional>

#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/gemm/blas.h"
#include "rapt/autograd/kernels/gemm/gemm.h"
#include "rapt/autograd/kernels/gemm/packed.h"
#include "rapt/autograd/kernels/recurrent/recurrent.h"
#include "rapt/autograd/kernels/runtime/parallel.h"

/// How the rows of a batch are shared by the threads.
namespace rapt::kernels {

// Two tiles of rows: W_hh, laid out, is read once for them in each step.
constexpr int64_t rows_per_group = 16;
// Less is not worth a thread.
constexpr double multiplications_per_group = 1e5;

/// Rows that are taken through all steps together, the longest first: those of tokens.order at
/// first, first + stride, ... So all groups have about as much to do.
struct RowGroup {
  const RecurrentTokens& tokens;
  int64_t first, stride;

  int64_t rows() const { return ceil_div(tokens.rows - first, stride); }
  int64_t row(int64_t i) const { return tokens.order[first + i * stride]; }
  int64_t length(int64_t i) const { return tokens.lengths[row(i)]; }
  /// Of the longest.
  int64_t steps() const { return rows() == 0 ? 0 : length(0); }
};

/// f(group), spread over the threads. Which group a row is in changes none of its bits.
template <class T, class F>
void for_each_group(const Recurrent<T>& r, F f) {
  const RecurrentTokens& tokens = r.tokens;
  const double work = static_cast<double>(tokens.total) *
                      static_cast<double>(r.hidden * r.hidden * gates_of(r.cell));
  const int64_t most = std::max<int64_t>(1, static_cast<int64_t>(work / multiplications_per_group));
  const int64_t groups = std::min(ceil_div(tokens.rows, rows_per_group), most);
  std::optional<SingleThreadedBlas> scope;
  if constexpr (!has_tiles<T>) scope.emplace();
  parallel_for(groups, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) f(RowGroup{tokens, i, groups});
  });
}

/// A row of n numbers of `from`, or zeros if that is null.
template <class T>
void copy_or_zero(const T* from, int64_t row, int64_t n, T* to) {
  if (from == nullptr) {
    std::fill_n(to, n, T(0));
  } else {
    std::copy_n(from + row * n, n, to);
  }
}

/// Panels of a weight that is read in every step, laid out by all threads.
template <class T>
void pack_for_steps(const PackedB<T>& packed) {
  if constexpr (has_tiles<T>) {
    parallel_for(packed.panels(), 4, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) packed.pack(i);
    });
  }
}

}  // namespace rapt::kernels
