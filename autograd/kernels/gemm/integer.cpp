#include "rapt/autograd/kernels/gemm/integer.h"

#include <algorithm>

#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/runtime/parallel.h"
#include "rapt/autograd/kernels/strided.h"

namespace rapt::kernels {
namespace {

constexpr int64_t rows_at_once = 4;       // that share a row of b
constexpr int64_t columns_at_once = 256;  // of c, which stay in the nearest cache with them

/// Rows of c, at most rows_at_once: += a row of b for each number of a's, one after another.
void add_rows(const IntegerProducts& p, const int64_t* a, const int64_t* b, int64_t rows,
              int64_t* c) {
  std::fill_n(c, rows * p.n, int64_t{0});
  for (int64_t j = 0; j < p.n; j += columns_at_once) {
    const int64_t columns = std::min(columns_at_once, p.n - j);
    for (int64_t l = 0; l < p.k; ++l) {
      const int64_t* const b_row = b + l * p.n + j;
      for (int64_t i = 0; i < rows; ++i) {
        const auto factor = static_cast<uint64_t>(a[i * p.k + l]);  // wraps around
        int64_t* const c_row = c + i * p.n + j;
        for (int64_t column = 0; column < columns; ++column) {
          c_row[column] = static_cast<int64_t>(static_cast<uint64_t>(c_row[column]) +
                                               factor * static_cast<uint64_t>(b_row[column]));
        }
      }
    }
  }
}

}  // namespace

void integer_products(const IntegerProducts& p) {
  const int64_t groups = ceil_div(p.m, rows_at_once);
  const int64_t work = std::max<int64_t>(1, rows_at_once * p.n * p.k);
  parallel_for(p.batch.numel() * groups, elements_per_piece / work + 1,
               [&](int64_t begin, int64_t end) {
                 for (int64_t piece = begin; piece < end; ++piece) {
                   const int64_t i = piece / groups, row = piece % groups * rows_at_once;
                   add_rows(p, p.a + offset_of(p.batch, p.a_batch, i) + row * p.k,
                            p.b + offset_of(p.batch, p.b_batch, i),
                            std::min(rows_at_once, p.m - row), p.c + (i * p.m + row) * p.n);
                 }
               });
}

}  // namespace rapt::kernels
