#include "rapt/autograd/kernels/reduce.h"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <vector>

#include "rapt/autograd/kernels/allocator.h"
#include "rapt/autograd/kernels/fold.h"
#include "rapt/autograd/kernels/parallel.h"
#include "rapt/autograd/kernels/rows.h"

namespace rapt::kernels {
namespace {

// Rows of x that one piece adds up before its partial sum joins the others, in order.
constexpr int64_t rows_per_part = 128;

int64_t rows_per_piece(int64_t row) {
  return std::max<int64_t>(1, elements_per_piece / std::max<int64_t>(row, 1));
}

/// What partial sums are added up in, so that a long sum of f32 does not stop growing.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, T>;

template <class T>
T sum_row(const T* x, int64_t n) {
  constexpr int64_t chunk = 1024;
  Wide<T> total = 0;
  for (int64_t at = 0; at < n; at += chunk) {
    const int64_t end = std::min(at + chunk, n);
    Block<T> partial = Block<T>::Zero();
    int64_t i = at;
    for (; i + lanes <= end; i += lanes) partial += load(x + i);
    if (i < end) partial += load_part(x + i, end - i, T(0));
    for (int lane = 0; lane < lanes; ++lane) total += static_cast<Wide<T>>(partial[lane]);
  }
  return static_cast<T>(total);
}

template <class Total, class T>
void add_row(Total* into, const T* row, int64_t n) {
  for (int64_t i = 0; i < n; ++i) into[i] += row[i];
}

/// out[inner] = the sum of the rows of x [middle, inner].
template <class T>
void sum_column(const T* x, int64_t middle, int64_t inner, T* out) {
  const int64_t parts = (middle + rows_per_part - 1) / rows_per_part;
  if (parts <= 1) {
    std::fill_n(out, inner, T(0));
    for (int64_t i = 0; i < middle; ++i) add_row(out, x + i * inner, inner);
    return;
  }
  std::vector<T, PoolAllocator<T>> partial(static_cast<size_t>(parts * inner), T(0));
  const int64_t grain = std::max<int64_t>(1, elements_per_piece / (rows_per_part * inner));
  parallel_for(parts, grain, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t last = std::min((part + 1) * rows_per_part, middle);
      for (int64_t i = part * rows_per_part; i < last; ++i) {
        add_row(partial.data() + part * inner, x + i * inner, inner);
      }
    }
  });
  std::vector<Wide<T>, PoolAllocator<Wide<T>>> total(static_cast<size_t>(inner), 0);
  for (int64_t part = 0; part < parts; ++part) {
    add_row(total.data(), partial.data() + part * inner, inner);
  }
  std::copy(total.begin(), total.end(), out);
}

/// to [inner] = the sum of some rows of x.
template <class T>
void sum_rows(const T* x, int64_t rows, int64_t inner, T* to) {
  if (inner == 1) {
    *to = row_sum(x, rows);
    return;
  }
  std::copy_n(x, inner, to);
  for (int64_t i = 1; i < rows; ++i) add_row(to, x + i * inner, inner);
}

/// fold, over blocks of less than a share of rows: each piece goes through all rows of some
/// columns, row after row.
template <class T>
void fold_columns(int64_t rows, int64_t inner, int64_t block, const T* x, T* out) {
  const int64_t width = std::max<int64_t>(lanes, elements_per_piece / rows / lanes * lanes);
  parallel_for(inner, width, [&](int64_t begin, int64_t end) {
    for (int64_t first = 0; first < rows; first += block) {
      const int64_t some = std::min(block, rows - first);
      for (int64_t i = begin; i < end; ++i) {
        const T* at = x + first * inner + i;
        T sum = *at;
        for (int64_t row = 1; row < some; ++row) sum += at[row * inner];
        out[i] += sum;
      }
    }
  });
}

}  // namespace

template <class T>
void fold(int64_t rows, int64_t inner, int64_t block, const T* x, T* out, bool adds) {
  if (!adds) std::fill_n(out, inner, T(0));
  if (rows == 0 || inner == 0) return;
  if (block < rows_per_share) return fold_columns(rows, inner, block, x, out);
  const int64_t shares = (rows + rows_per_share - 1) / rows_per_share;
  std::vector<T, PoolAllocator<T>> sums(static_cast<size_t>(shares * inner));
  const int64_t grain = std::max<int64_t>(1, elements_per_piece / (rows_per_share * inner));
  parallel_for(shares, grain, [&](int64_t begin, int64_t end) {
    for (int64_t share = begin; share < end; ++share) {
      const int64_t first = share * rows_per_share;
      sum_rows(x + first * inner, std::min(rows_per_share, rows - first), inner,
               sums.data() + share * inner);
    }
  });
  fold_shares(sums.data(), shares, block / rows_per_share, inner, inner, out);
}

template <class T>
void sum(const Reduction& r, const T* x, T* out) {
  const int64_t plane = r.middle * r.inner;
  if (r.inner == 1) {
    parallel_for(r.outer, rows_per_piece(r.middle), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) out[o] = sum_row(x + o * plane, r.middle);
    });
    return;
  }
  parallel_for(r.outer, rows_per_piece(plane), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      sum_column(x + o * plane, r.middle, r.inner, out + o * r.inner);
    }
  });
}

namespace {

/// The largest (or smallest) of a row, NaN if any is.
template <bool largest, class T>
T row_extreme(const T* x, int64_t n) {
  const auto better = [](T a, T b) { return largest ? a > b : a < b; };
  T best = x[0];
  int64_t i = 0;
  if constexpr (!std::is_integral_v<T>) {
    using Packet = VectorOf<T>;
    constexpr int width = lanes_of<T>;
    if (n >= width) {
      Packet bests = packets::ploadu<Packet>(x);
      NaNSeen<T> nan;
      nan.add(bests);
      for (i = width; i + width <= n; i += width) {
        const Packet p = packets::ploadu<Packet>(x + i);
        nan.add(p);
        bests = largest ? packets::pmax(bests, p) : packets::pmin(bests, p);
      }
      if (nan.any()) return std::numeric_limits<T>::quiet_NaN();
      best = largest ? packets::predux_max(bests) : packets::predux_min(bests);
    }
  }
  for (; i < n; ++i) {
    if (better(x[i], best) || x[i] != x[i]) best = x[i];  // nothing is better than NaN
  }
  return best;
}

}  // namespace

template <class T>
void extreme(const Reduction& r, bool largest, const T* x, T* out) {
  const int64_t plane = r.middle * r.inner;
  if (r.inner == 1) {
    return parallel_for(r.outer, rows_per_piece(plane), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        const T* row = x + o * plane;
        out[o] = largest ? row_extreme<true>(row, plane) : row_extreme<false>(row, plane);
      }
    });
  }
  parallel_for(r.outer, rows_per_piece(plane), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      T* best = out + o * r.inner;
      std::copy_n(x + o * plane, r.inner, best);
      for (int64_t m = 1; m < r.middle; ++m) {
        const T* row = x + o * plane + m * r.inner;
        for (int64_t i = 0; i < r.inner; ++i) {
          const bool better = largest ? row[i] > best[i] : row[i] < best[i];
          // A NaN wins and stays: nothing compares better than it.
          if (better || row[i] != row[i]) best[i] = row[i];
        }
      }
    }
  });
}

template <class T>
void argmax(const Reduction& r, const T* x, int64_t* out) {
  const int64_t plane = r.middle * r.inner;
  parallel_for(r.outer, rows_per_piece(plane), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      for (int64_t i = 0; i < r.inner; ++i) {
        const T* column = x + o * plane + i;
        int64_t best = 0;
        for (int64_t m = 1; m < r.middle && column[best * r.inner] == column[best * r.inner]; ++m) {
          const T value = column[m * r.inner];
          if (value > column[best * r.inner] || value != value) best = m;
        }
        out[o * r.inner + i] = best;
      }
    }
  });
}

template void fold(int64_t, int64_t, int64_t, const float*, float*, bool);
template void fold(int64_t, int64_t, int64_t, const double*, double*, bool);
template void sum(const Reduction&, const float*, float*);
template void sum(const Reduction&, const double*, double*);
template void sum(const Reduction&, const int64_t*, int64_t*);
template void extreme(const Reduction&, bool, const float*, float*);
template void extreme(const Reduction&, bool, const double*, double*);
template void extreme(const Reduction&, bool, const int64_t*, int64_t*);
template void argmax(const Reduction&, const float*, int64_t*);
template void argmax(const Reduction&, const double*, int64_t*);
template void argmax(const Reduction&, const int64_t*, int64_t*);

}  // namespace rapt::kernels
