#include "rapt/autograd/kernels/softmax.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "rapt/autograd/kernels/columns.h"
#include "rapt/autograd/kernels/rows.h"
#include "rapt/autograd/kernels/runtime/allocator.h"

namespace rapt::kernels {
namespace {

// ---- along rows --------------------------------------------------------------------------------

template <class T>
void softmax_rows(int64_t rows, int64_t n, const T* x_all, T* y_all) {
  for_each_row(rows, n, [&](int64_t row) {
    const T* x = x_all + row * n;
    T* y = y_all + row * n;
    const T shift = shift_of(x, n);
    Total<T> total;
    for_each_block(x, n, -infinity<T>, [&](const Block<T>& u, int64_t at, int64_t count) {
      const Block<T> e = exp<T>(u - shift);
      total += e;
      store_some(y + at, e, count);
    });
    const T sum = total.sum();
    const T factor = sum == T(0) ? T(0) : T(1) / sum;
    for_each_block(y, n, T(0), [&](const Block<T>& e, int64_t at, int64_t count) {
      store_some<T>(y + at, e * factor, count);
    });
  });
}

/// True of the softmax of nothing but -inf. Its gradient is 0, whatever arrives: 0 * inf is NaN.
template <class T>
bool has_no_weight(const T* y, int64_t n) {
  return std::all_of(y, y + n, [](T weight) { return weight == T(0); });
}

template <class T>
void softmax_backward_rows(int64_t rows, int64_t n, const T* y_all, const T* g_all, T* dx_all) {
  for_each_row(rows, n, [&](int64_t row) {
    const T *y = y_all + row * n, *g = g_all + row * n;
    const T dot = row_dot(y, g, n);
    if (std::isnan(dot) && has_no_weight(y, n)) {
      std::fill_n(dx_all + row * n, n, T(0));
      return;
    }
    for_each_block(y, g, n, [&](const Block<T>& u, const Block<T>& v, int64_t at, int64_t count) {
      store_some<T>(dx_all + row * n + at, u * (v - dot), count);
    });
  });
}

template <class T>
void log_softmax_rows(int64_t rows, int64_t n, const T* x_all, T* y_all) {
  for_each_row(rows, n, [&](int64_t row) {
    const T* x = x_all + row * n;
    const T shift = shift_of(x, n);
    const T sum = row_sum_exp(x, n, shift);
    const T log_sum = sum == T(0) ? T(0) : log_one(sum);
    for_each_block(x, n, T(0), [&](const Block<T>& u, int64_t at, int64_t count) {
      // In this order: shift + log_sum would round away digits of the sum where x is large.
      store_some<T>(y_all + row * n + at, (u - shift) - log_sum, count);
    });
  });
}

template <class T>
void log_softmax_backward_rows(int64_t rows, int64_t n, const T* y_all, const T* g_all, T* dx_all) {
  for_each_row(rows, n, [&](int64_t row) {
    const T *y = y_all + row * n, *g = g_all + row * n;
    // A row of all NaN is none of all -inf, though row_max may pass NaN over.
    if (n > 0 && y[0] == -infinity<T> && row_max(y, n) == -infinity<T>) {
      std::fill_n(dx_all + row * n, n, T(0));
      return;
    }
    const T sum = row_sum(g, n);
    for_each_block(y, g, n, [&](const Block<T>& u, const Block<T>& v, int64_t at, int64_t count) {
      store_some<T>(dx_all + row * n + at, v - exp<T>(u) * sum, count);
    });
  });
}

/// The largest element where it is a number, else 0: inf then stays inf.
template <class T>
T finite_shift_of(const T* x, int64_t n) {
  const T top = row_max(x, n);
  return std::isfinite(top) ? top : T(0);
}

/// The log of a sum of exp(x - shift), with the shift put back.
template <class T>
T log_of_sum(T sum, T shift) {
  return sum == T(0) ? -infinity<T> : shift + (std::isfinite(sum) ? log_one(sum) : sum);
}

template <class T>
void logsumexp_rows(int64_t rows, int64_t n, const T* x_all, T* y) {
  for_each_row(rows, n, [&](int64_t row) {
    const T* x = x_all + row * n;
    const T shift = finite_shift_of(x, n), sum = row_sum_exp(x, n, shift);
    y[row] = log_of_sum(sum, shift);
  });
}

template <class T>
void logsumexp_backward_rows(int64_t rows, int64_t n, const T* x_all, const T* g, T* dx_all) {
  for_each_row(rows, n, [&](int64_t row) {
    const T* x = x_all + row * n;
    const T shift = finite_shift_of(x, n), sum = row_sum_exp(x, n, shift);
    const T factor = sum == T(0) ? T(0) : g[row] / sum;
    for_each_block(x, n, T(0), [&](const Block<T>& u, int64_t at, int64_t count) {
      store_some<T>(dx_all + row * n + at, exp<T>(u - shift) * factor, count);
    });
  });
}

// ---- along columns -----------------------------------------------------------------------------

// What is known of so many columns stays in the first-level cache.
constexpr int64_t columns_at_once = 256;

/// A number for each of some columns.
template <class T>
struct PerColumn {
  explicit PerColumn(T fill) { std::fill_n(values, columns_at_once, fill); }
  Block<T> at(int64_t column) const { return load(values + column); }
  alignas(64) T values[columns_at_once];
};

/// Some columns of a plane, of `length` elements each, `stride` apart.
struct ColumnWalk {
  int64_t length, stride;
  Columns columns;

  /// f(offset, column, count, row) for each block of columns, row after row.
  template <class F>
  [[gnu::always_inline]] void for_each_block(F f) const {
    for (int64_t row = 0; row < length; ++row) {
      const int64_t begin = columns.begin + row * stride;
      int64_t i = 0;
      for (; i + lanes <= columns.count; i += lanes) f(begin + i, i, int64_t{lanes}, row);
      if (i < columns.count) f(begin + i, i, columns.count - i, row);
    }
  }

  /// The sum of each column's terms f(offset, column, count): in the order of a row's sum, whose
  /// lanes are rows here.
  template <class T, class F>
  [[gnu::always_inline]] void sum(F f, PerColumn<T>& sums) const {
    alignas(64) T part[lanes][columns_at_once];
    for (auto& lane : part) std::fill_n(lane, columns.count, T(0));
    for_each_block([&](int64_t offset, int64_t column, int64_t count, int64_t row) {
      T* const lane = part[row % lanes] + column;
      const Block<T> term = f(offset, column, count);
      if (count == lanes) {
        store<T>(lane, load(lane) + term);
      } else {
        store_part<T>(lane, load_part(lane, count, T(0)) + term, count);
      }
    });
    for (int half = lanes / 2; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) {
        for (int64_t c = 0; c < columns.count; ++c) part[i][c] += part[i + half][c];
      }
    }
    std::copy_n(part[0], columns.count, sums.values);
  }

  /// The largest element of each, as row_max has it.
  template <class T>
  PerColumn<T> max(const T* x) const {
    PerColumn<T> best(-infinity<T>);
    for (int64_t row = 0; row < length; ++row) {
      const T* const u = x + columns.begin + row * stride;
      for (int64_t c = 0; c < columns.count; ++c) {
        best.values[c] = u[c] > best.values[c] ? u[c] : best.values[c];
      }
    }
    return best;
  }
};

template <class F>
void for_each_walk(const Reduction& r, F f) {
  for_each_columns(r, columns_at_once, [&](const Columns& c) {
    f(ColumnWalk{r.middle, r.inner, c});
  });
}

/// What is subtracted from each column before exp.
template <class T>
PerColumn<T> shifts_of(const ColumnWalk& w, const T* x, bool only_finite) {
  PerColumn<T> shift = w.max(x);
  for (T& s : shift.values) {
    if (only_finite ? !std::isfinite(s) : s == -infinity<T>) s = T(0);
  }
  return shift;
}

template <class T>
PerColumn<T> sums_of_exp(const ColumnWalk& w, const T* x, const PerColumn<T>& shift) {
  PerColumn<T> sums(T(0));
  w.sum<T>(
      [&](int64_t offset, int64_t column, int64_t count) -> Block<T> {
        return exp<T>(load_some(x + offset, 0, count, -infinity<T>) - shift.at(column));
      },
      sums);
  return sums;
}

template <class T>
void softmax_columns(const Reduction& r, const T* x, T* y) {
  for_each_walk(r, [&](const ColumnWalk& w) {
    const PerColumn<T> shift = shifts_of(w, x, false);
    PerColumn<T> factor(T(0));
    w.sum<T>(
        [&](int64_t offset, int64_t column, int64_t count) -> Block<T> {
          const Block<T> e =
              exp<T>(load_some(x + offset, 0, count, -infinity<T>) - shift.at(column));
          store_some(y + offset, e, count);
          return e;
        },
        factor);
    for (T& f : factor.values) f = f == T(0) ? T(0) : T(1) / f;
    w.for_each_block([&](int64_t offset, int64_t column, int64_t count, int64_t) {
      store_some<T>(y + offset, load_some(y + offset, 0, count, T(0)) * factor.at(column), count);
    });
  });
}

/// The largest of y in the columns where `dot` is NaN, 1 in the others.
template <class T>
PerColumn<T> largest_where_nan(const ColumnWalk& w, const T* y, const PerColumn<T>& dot) {
  PerColumn<T> out(T(1));
  const auto is_nan = [](T d) { return std::isnan(d); };
  if (std::none_of(std::begin(dot.values), std::end(dot.values), is_nan)) return out;
  const PerColumn<T> top = w.max(y);
  for (int64_t c = 0; c < columns_at_once; ++c) {
    if (is_nan(dot.values[c])) out.values[c] = top.values[c];
  }
  return out;
}

template <class T>
void softmax_backward_columns(const Reduction& r, const T* y, const T* g, T* dx) {
  for_each_walk(r, [&](const ColumnWalk& w) {
    PerColumn<T> dot(T(0));
    w.sum<T>(
        [&](int64_t offset, int64_t, int64_t count) -> Block<T> {
          return load_some(y + offset, 0, count, T(0)) * load_some(g + offset, 0, count, T(0));
        },
        dot);
    const PerColumn<T> top = largest_where_nan(w, y, dot);
    w.for_each_block([&](int64_t offset, int64_t column, int64_t count, int64_t) {
      const Block<T> u = load_some(y + offset, 0, count, T(0));
      const Block<T> v = load_some(g + offset, 0, count, T(0));
      const Block<T> d = u * (v - dot.at(column)), most = top.at(column);
      store_some<T>(dx + offset, (most == T(0) && u == most).select(T(0), d), count);
    });
  });
}

template <class T>
void log_softmax_columns(const Reduction& r, const T* x, T* y) {
  for_each_walk(r, [&](const ColumnWalk& w) {
    const PerColumn<T> shift = shifts_of(w, x, false);
    PerColumn<T> log_sum = sums_of_exp(w, x, shift);
    for (T& s : log_sum.values) s = s == T(0) ? T(0) : log_one(s);
    w.for_each_block([&](int64_t offset, int64_t column, int64_t count, int64_t) {
      const Block<T> u = load_some(x + offset, 0, count, T(0));
      store_some<T>(y + offset, (u - shift.at(column)) - log_sum.at(column), count);
    });
  });
}

template <class T>
void log_softmax_backward_columns(const Reduction& r, const T* y, const T* g, T* dx) {
  for_each_walk(r, [&](const ColumnWalk& w) {
    const PerColumn<T> top = w.max(y);
    PerColumn<T> sum(T(0));
    w.sum<T>([&](int64_t offset, int64_t,
                 int64_t count) -> Block<T> { return load_some(g + offset, 0, count, T(0)); },
             sum);
    w.for_each_block([&](int64_t offset, int64_t column, int64_t count, int64_t) {
      const Block<T> u = load_some(y + offset, 0, count, T(0));
      const Block<T> v = load_some(g + offset, 0, count, T(0));
      const Block<T> d = v - exp<T>(u) * sum.at(column);
      const Block<T> most = top.at(column);
      store_some<T>(dx + offset, (most == -infinity<T> && u == most).select(T(0), d), count);
    });
  });
}

template <class T>
void logsumexp_columns(const Reduction& r, const T* x, T* y) {
  for_each_walk(r, [&](const ColumnWalk& w) {
    const PerColumn<T> shift = shifts_of(w, x, true), sum = sums_of_exp(w, x, shift);
    for (int64_t c = 0; c < w.columns.count; ++c) {
      y[w.columns.result + c] = log_of_sum(sum.values[c], shift.values[c]);
    }
  });
}

template <class T>
void logsumexp_backward_columns(const Reduction& r, const T* x, const T* g, T* dx) {
  for_each_walk(r, [&](const ColumnWalk& w) {
    const PerColumn<T> shift = shifts_of(w, x, true), sum = sums_of_exp(w, x, shift);
    PerColumn<T> factor(T(0));
    for (int64_t c = 0; c < w.columns.count; ++c) {
      const T s = sum.values[c];
      factor.values[c] = s == T(0) ? T(0) : g[w.columns.result + c] / s;
    }
    w.for_each_block([&](int64_t offset, int64_t column, int64_t count, int64_t) {
      const Block<T> u = load_some(x + offset, 0, count, T(0));
      store_some<T>(dx + offset, exp<T>(u - shift.at(column)) * factor.at(column), count);
    });
  });
}

}  // namespace

// ---- either ------------------------------------------------------------------------------------

template <class T>
void softmax(const Reduction& r, const T* x, T* y) {
  if (r.inner == 1) return softmax_rows(r.outer, r.middle, x, y);
  softmax_columns(r, x, y);
}

template <class T>
void softmax_backward(const Reduction& r, const T* y, const T* g, T* dx) {
  if (r.inner == 1) return softmax_backward_rows(r.outer, r.middle, y, g, dx);
  softmax_backward_columns(r, y, g, dx);
}

template <class T>
void log_softmax(const Reduction& r, const T* x, T* y) {
  if (r.inner == 1) return log_softmax_rows(r.outer, r.middle, x, y);
  log_softmax_columns(r, x, y);
}

template <class T>
void log_softmax_backward(const Reduction& r, const T* y, const T* g, T* dx) {
  if (r.inner == 1) return log_softmax_backward_rows(r.outer, r.middle, y, g, dx);
  log_softmax_backward_columns(r, y, g, dx);
}

template <class T>
void logsumexp(const Reduction& r, const T* x, T* y) {
  if (r.inner == 1) return logsumexp_rows(r.outer, r.middle, x, y);
  logsumexp_columns(r, x, y);
}

template <class T>
void logsumexp_backward(const Reduction& r, const T* x, const T* g, T* dx) {
  if (r.inner == 1) return logsumexp_backward_rows(r.outer, r.middle, x, g, dx);
  logsumexp_backward_columns(r, x, g, dx);
}

#define RAPT_INSTANTIATE(T)                                                     \
  template void softmax(const Reduction&, const T*, T*);                        \
  template void softmax_backward(const Reduction&, const T*, const T*, T*);     \
  template void log_softmax(const Reduction&, const T*, T*);                    \
  template void log_softmax_backward(const Reduction&, const T*, const T*, T*); \
  template void logsumexp(const Reduction&, const T*, T*);                      \
  template void logsumexp_backward(const Reduction&, const T*, const T*, T*);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
#undef RAPT_INSTANTIATE

}  // namespace rapt::kernels
