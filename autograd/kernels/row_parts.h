#pragma once

#include <algorithm>
#include <cstdint>

#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/runtime/parallel.h"
#include "rapt/autograd/pool.h"

namespace rapt::kernels {

/// As many rows keep all threads busy with a row each.
inline constexpr int64_t threads_worth = 32;

/// Elements of a part of a row that is worth a thread.
inline constexpr int64_t elements_per_part = 16384;

/// finish(row, join(...join(join(p[0], p[1]), p[2])...)) for rows of n elements, where p[i] =
/// part(row, begin, count) is of the row's i-th `length` elements. So a long row is worked on by
/// several threads, in an order that depends on its length alone. Of no elements there is one part.
template <int64_t length, class Part, class Join, class Finish>
void for_row_parts(int64_t rows, int64_t n, Part part, Join join, Finish finish) {
  using Result = decltype(part(int64_t{0}, int64_t{0}, int64_t{0}));
  const int64_t parts = std::max<int64_t>(1, ceil_div(n, length));
  const auto one = [&](int64_t row, int64_t i) {
    const int64_t begin = i * length;
    return part(row, begin, std::min(length, n - begin));
  };
  const int64_t grain = std::max<int64_t>(1, elements_per_piece / std::max<int64_t>(n, 1));
  if (rows * n < 4 * elements_per_piece || rows >= threads_worth) {  // each row by one thread
    return parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        Result all = one(row, 0);
        for (int64_t i = 1; i < parts; ++i) all = join(all, one(row, i));
        finish(row, all);
      }
    });
  }
  PoolVector<Result> results(static_cast<size_t>(rows * parts));
  const int64_t at_once = std::max<int64_t>(1, elements_per_piece / length);
  parallel_for(rows * parts, at_once, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      results[static_cast<size_t>(i)] = one(i / parts, i % parts);
    }
  });
  for (int64_t row = 0; row < rows; ++row) {
    const Result* const of_row = results.data() + row * parts;
    Result all = of_row[0];
    for (int64_t i = 1; i < parts; ++i) all = join(all, of_row[i]);
    finish(row, all);
  }
}

}  // namespace rapt::kernels
