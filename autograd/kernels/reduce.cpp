#include "rapt/autograd/kernels/reduce.h"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <vector>

#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/columns.h"
#include "rapt/autograd/kernels/fold.h"
#include "rapt/autograd/kernels/row_parts.h"
#include "rapt/autograd/kernels/rows.h"
#include "rapt/autograd/kernels/runtime/allocator.h"
#include "rapt/autograd/kernels/runtime/parallel.h"

namespace rapt::kernels {
namespace {

// Rows of x that one piece adds up before its partial sum joins the others, in order.
constexpr int64_t rows_per_part = 128;

int64_t rows_per_piece(int64_t row) {
  return std::max<int64_t>(1, elements_per_piece / std::max<int64_t>(row, 1));
}

// Of a row, before its partial sum joins the others.
constexpr int64_t elements_per_chunk = 4096;

template <class T>
T sum_chunk(const T* x, int64_t n) {
  constexpr int64_t at_once = int64_t{4} * lanes;
  Total<T> a, b, c, d;  // so that no addition waits for another
  int64_t i = 0;
  for (; i + at_once <= n; i += at_once) {
    a += load(x + i);
    b += load(x + i + lanes);
    c += load(x + i + 2 * lanes);
    d += load(x + i + 3 * lanes);
  }
  for (; i + lanes <= n; i += lanes) a += load(x + i);
  if (i < n) b += load_part(x + i, n - i, T(0));
  a += b, c += d, a += c;
  return a.sum();
}

template <class Total, class T>
void add_row(Total* into, const T* row, int64_t n) {
  for (int64_t i = 0; i < n; ++i) into[i] += row[i];
}

/// into += each of the rows of x [rows, n], one after the other.
template <class T>
void add_rows(T* into, const T* x, int64_t rows, int64_t n) {
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    const T *a = x + i * n, *b = a + n, *c = b + n, *d = c + n;
    for (int64_t j = 0; j < n; ++j) into[j] = (((into[j] + a[j]) + b[j]) + c[j]) + d[j];
  }
  for (; i < rows; ++i) add_row(into, x + i * n, n);
}

/// out[inner] = the sum of the rows of x [middle, inner].
template <class T>
void sum_column(const T* x, int64_t middle, int64_t inner, T* out) {
  const int64_t parts = ceil_div(middle, rows_per_part);
  if (parts <= 1) {
    std::fill_n(out, inner, T(0));
    add_rows(out, x, middle, inner);
    return;
  }
  std::vector<T, PoolAllocator<T>> partial(static_cast<size_t>(parts * inner), T(0));
  const int64_t grain = std::max<int64_t>(1, elements_per_piece / (rows_per_part * inner));
  parallel_for(parts, grain, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t first = part * rows_per_part;
      add_rows(partial.data() + part * inner, x + first * inner,
               std::min(rows_per_part, middle - first), inner);
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
  add_rows(to, x + inner, rows - 1, inner);
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
  const int64_t shares = ceil_div(rows, rows_per_share);
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
  using W = Wrapping<T>;
  if constexpr (!std::is_same_v<T, W>) {
    return sum(r, reinterpret_cast<const W*>(x), reinterpret_cast<W*>(out));
  }
  const int64_t plane = r.middle * r.inner;
  if (r.inner == 0) return;
  if (r.inner == 1) {
    return for_row_parts<elements_per_chunk>(
        r.outer, r.middle,
        [&](int64_t row, int64_t begin, int64_t count) {
          return static_cast<Wide<T>>(sum_chunk(x + row * plane + begin, count));
        },
        [](Wide<T> one, Wide<T> two) { return one + two; },
        [&](int64_t row, Wide<T> total) { out[row] = static_cast<T>(total); });
  }
  parallel_for(r.outer, rows_per_piece(plane), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      sum_column(x + o * plane, r.middle, r.inner, out + o * r.inner);
    }
  });
}

namespace {

/// True if a takes b's place as the largest (or smallest): nothing is better than NaN.
template <bool largest, class T>
[[gnu::always_inline]] inline bool better(T a, T b) {
  return (largest ? a > b : a < b) | ((a != a) & (b == b));
}

/// The largest (or smallest) of a row, NaN if any is.
template <bool largest, class T>
T row_extreme(const T* x, int64_t n) {
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
    if (better<largest>(x[i], best)) best = x[i];
  }
  return best;
}

// What is known of so many columns stays in the first-level cache.
constexpr int64_t columns_at_once = 1024;

/// `better`, of the lanes of vectors: the better of two.
template <bool largest, class Packet>
[[gnu::always_inline]] inline Packet better_of(const Packet& known, const Packet& other) {
  const Packet is_better =
      largest ? packets::pcmp_lt(known, other) : packets::pcmp_lt(other, known);
  const Packet is_nan = packets::pcmp_lt_or_nan(other, other);
  return packets::pselect(packets::por(is_better, is_nan), other, known);
}

/// best [columns] = the better of it and each of `rows` rows that lie `stride` apart.
template <bool largest, int rows, class T>
void take_rows(const T* x, int64_t stride, int64_t columns, T* best) {
  int64_t i = 0;
  if constexpr (!std::is_integral_v<T>) {
    for (; i + lanes_of<T> <= columns; i += lanes_of<T>) {
      VectorOf<T> known = packets::ploadu<VectorOf<T>>(best + i);
      for (int row = 0; row < rows; ++row) {
        const auto other = packets::ploadu<VectorOf<T>>(x + row * stride + i);
        known = better_of<largest>(known, other);
      }
      packets::pstoreu(best + i, known);
    }
  }
  for (int row = 0; row < rows; ++row) {
    for (int64_t column = i; column < columns; ++column) {
      const T other = x[row * stride + column];
      best[column] = better<largest>(other, best[column]) ? other : best[column];
    }
  }
}

template <bool largest, class T>
void column_extremes(const Reduction& r, const T* x, T* best, int64_t columns) {
  std::copy_n(x, columns, best);
  int64_t m = 1;  // several rows at a time, so that the best is fetched and put back once for them
  for (; m + 4 <= r.middle; m += 4) take_rows<largest, 4>(x + m * r.inner, r.inner, columns, best);
  for (; m < r.middle; ++m) take_rows<largest, 1>(x + m * r.inner, r.inner, columns, best);
}

/// The index of the first element that is `best`, or NaN if that is.
template <class T>
int64_t find(const T* x, int64_t n, T best) {
  int64_t i = 0;
  if constexpr (!std::is_integral_v<T>) {
    using Packet = VectorOf<T>;
    const Packet wanted = packets::pset1<Packet>(best);
    for (; i + lanes_of<T> <= n; i += lanes_of<T>) {
      const Packet p = packets::ploadu<Packet>(x + i);

      const Packet hit = best == best ? packets::pcmp_eq(p, wanted) : packets::pcmp_lt_or_nan(p, p);
      if (packets::predux_any(hit)) break;
    }
  }
  while (i < n && !(x[i] == best || x[i] != x[i])) ++i;
  return i;
}

template <bool largest, class T>
void column_index(const Reduction& r, const T* x, int64_t* out, int64_t columns) {
  T best[columns_at_once];
  std::copy_n(x, columns, best);
  std::fill_n(out, columns, 0);
  for (int64_t m = 1; m < r.middle; ++m) {
    const T* row = x + m * r.inner;
    for (int64_t i = 0; i < columns; ++i) {
      const bool is_better = better<largest>(row[i], best[i]);
      best[i] = is_better ? row[i] : best[i];
      out[i] = is_better ? m : out[i];
    }
  }
}

template <bool largest, class T>
void extremes(const Reduction& r, const T* x, T* out) {
  if (r.inner == 1) {
    return for_row_parts<elements_per_part>(
        r.outer, r.middle,
        [&](int64_t row, int64_t begin, int64_t count) {
          return row_extreme<largest>(x + row * r.middle + begin, count);
        },
        [](T a, T b) { return better<largest>(b, a) ? b : a; },
        [&](int64_t row, T best) { out[row] = best; });
  }
  for_each_columns(r, columns_at_once, [&](const Columns& c) {
    column_extremes<largest>(r, x + c.begin, out + c.result, c.count);
  });
}

template <bool largest, class T>
void indices_of_extremes(const Reduction& r, const T* x, int64_t* out) {
  if (r.inner == 1) {
    struct Best {
      T value;
      int64_t index;
    };
    return for_row_parts<elements_per_part>(
        r.outer, r.middle,
        [&](int64_t row, int64_t begin, int64_t count) {
          const T* const from = x + row * r.middle + begin;
          const T value = row_extreme<largest>(from, count);
          return Best{value, begin + find(from, count, value)};
        },
        [](const Best& a, const Best& b) { return better<largest>(b.value, a.value) ? b : a; },
        [&](int64_t row, const Best& best) { out[row] = best.index; });
  }
  for_each_columns(r, columns_at_once, [&](const Columns& c) {
    column_index<largest>(r, x + c.begin, out + c.result, c.count);
  });
}

}  // namespace

template <class T>
void extreme(const Reduction& r, bool largest, const T* x, T* out) {
  return largest ? extremes<true>(r, x, out) : extremes<false>(r, x, out);
}

template <class T>
void index_of_extreme(const Reduction& r, bool largest, const T* x, int64_t* out) {
  return largest ? indices_of_extremes<true>(r, x, out) : indices_of_extremes<false>(r, x, out);
}

template void fold(int64_t, int64_t, int64_t, const float*, float*, bool);
template void fold(int64_t, int64_t, int64_t, const double*, double*, bool);
template void sum(const Reduction&, const float*, float*);
template void sum(const Reduction&, const double*, double*);
template void sum(const Reduction&, const int64_t*, int64_t*);
template void extreme(const Reduction&, bool, const float*, float*);
template void extreme(const Reduction&, bool, const double*, double*);
template void extreme(const Reduction&, bool, const int64_t*, int64_t*);
template void index_of_extreme(const Reduction&, bool, const float*, int64_t*);
template void index_of_extreme(const Reduction&, bool, const double*, int64_t*);
template void index_of_extreme(const Reduction&, bool, const int64_t*, int64_t*);

}  // namespace rapt::kernels
