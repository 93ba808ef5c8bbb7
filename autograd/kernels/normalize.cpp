#include "rapt/autograd/kernels/normalize.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/fold.h"
#include "rapt/autograd/kernels/rows.h"
#include "rapt/autograd/kernels/runtime/allocator.h"

namespace rapt::kernels {

namespace {

/// The mean of a row (or 0 in its place, for rms_norm) and 1 / sqrt(mean((x - mean)^2) + eps).
template <class T>
struct Normed {
  T mean, rstd;
};

/// The same where a sum is beyond what T holds: of the row scaled by a power of two.
template <class T>
[[gnu::noinline]] Normed<T> normed_of_huge(const T* x, int64_t n, double eps, bool centred) {
  NaNSeen<T> nan;
  nan.add(x, n);
  const T top = std::max(std::abs(row_max(x, n)), std::abs(row_min(x, n)));
  if (nan.any() || !std::isfinite(top)) {
    constexpr T no_number = std::numeric_limits<T>::quiet_NaN();
    return {no_number, nan.any() || centred ? no_number : T(0)};
  }
  const int exponent = std::ilogb(top);
  double mean = 0, squares = 0;
  for (int64_t i = 0; centred && i < n; ++i) mean += std::ldexp(double{x[i]}, -exponent);
  mean /= static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    const double d = std::ldexp(double{x[i]}, -exponent) - mean;
    squares += d * d;
  }
  // Of a row of one number eps is all there is; scaled, it would be 0.
  const double rstd = squares == 0 ? 1 / std::sqrt(eps)
                                   : std::ldexp(1 / std::sqrt(squares / static_cast<double>(n) +
                                                              std::ldexp(eps, -2 * exponent)),
                                                -exponent);
  return {static_cast<T>(std::ldexp(mean, exponent)), static_cast<T>(rstd)};
}

template <bool centred, class T>
[[gnu::always_inline]] inline Normed<T> normed(const T* x, int64_t n, double eps) {
  const T mean = centred ? row_sum(x, n) / static_cast<T>(n) : T(0);
  Total<T> total;
  for_each_block(x, n, mean,
                 [&](const Block<T>& u, int64_t, int64_t) { total += (u - mean) * (u - mean); });
  const T squares = total.sum();  // not finite either where the mean is not
  if (!std::isfinite(squares)) return normed_of_huge(x, n, eps, centred);
  return {mean, T(1) / std::sqrt(squares / static_cast<T>(n) + static_cast<T>(eps))};
}

}  // namespace

template <class T>
void layer_norm(int64_t rows, int64_t n, const T* x_all, const T* weight, const T* bias, double eps,
                T* y_all, T* mean, T* rstd) {
  for_each_row(rows, n, [&](int64_t row) {
    const T* x = x_all + row * n;
    const auto moments = normed<true>(x, n, eps);
    const T m = mean[row] = moments.mean, r = rstd[row] = moments.rstd;
    for_each_block(x, n, T(0), [&](const Block<T>& u, int64_t at, int64_t count) {
      const Block<T> scale = load_some(weight, at, count, T(1));
      const Block<T> shift = load_some(bias, at, count, T(0));
      store_some<T>(y_all + row * n + at, (u - m) * r * scale + shift, count);
    });
  });
}

namespace {

/// to[i] += what the row adds, for the first `count` lanes.
template <class T>
void add_some(T* to, const Block<T>& block, int64_t count) {
  store_some<T>(to, load_some<T>(to, 0, count, T(0)) + block, count);
}

/// Sets or adds, as the gradient wants it.
template <class T>
void put(const Gradient<T>& gradient, int64_t at, const Block<T>& block, int64_t count) {
  if (gradient.adds) {
    add_some<T>(gradient.data + at, block, count);
  } else {
    store_some<T>(gradient.data + at, block, count);
  }
}

/// Calls f(row, dweight, dbias) for each row, which adds to dweight [n] and dbias [n]; both are
/// null where nobody wants one of them. The sums over rows are the left fold of fold.h.
template <class T, class F>
void sum_over_rows(int64_t rows, int64_t n, Gradient<T> dweight, Gradient<T> dbias, F f) {
  if (dweight.data == nullptr && dbias.data == nullptr) {
    return for_each_row(rows, n, [&](int64_t row) { f(row, dweight.data, dbias.data); });
  }
  const int64_t shares = ceil_div(rows, rows_per_share);
  std::vector<T, PoolAllocator<T>> sums(static_cast<size_t>(shares * 2 * n), T(0));
  parallel_for(shares, std::max<int64_t>(1, elements_per_piece / (rows_per_share * n + 1)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t share = begin; share < end; ++share) {
                   T* own = sums.data() + share * 2 * n;
                   const int64_t last = std::min((share + 1) * rows_per_share, rows);
                   for (int64_t row = share * rows_per_share; row < last; ++row) {
                     f(row, own, own + n);
                   }
                 }
               });
  for (const Gradient<T>* out : {&dweight, &dbias}) {
    if (out->data == nullptr) continue;
    if (!out->adds) std::fill_n(out->data, n, T(0));
    if (rows == 0) continue;
    fold_shares(sums.data() + (out == &dbias ? n : 0), shares, terms_per_block / rows_per_share,
                2 * n, n, out->data);
  }
}

}  // namespace

template <class T>
void layer_norm_backward(int64_t rows, int64_t n, const T* g_all, const T* x_all, const T* weight,
                         const T* mean, const T* rstd, Gradient<T> dx, Gradient<T> dweight,
                         Gradient<T> dbias) {
  // One pass for all three: g and x are read while they are near.
  sum_over_rows(rows, n, dweight, dbias, [&](int64_t row, T* dg, T* db) {
    const T *g = g_all + row * n, *x = x_all + row * n;
    const T m = mean[row], r = rstd[row];
    Total<T> sum, dot;
    for_each_block(g, x, n, [&](const Block<T>& v, const Block<T>& u, int64_t at, int64_t count) {
      const Block<T> scaled = v * load_some(weight, at, count, T(1)), normed = (u - m) * r;
      sum += scaled;
      dot += scaled * normed;  // the padding of g is 0
      if (dg == nullptr) return;
      add_some<T>(dg + at, v * normed, count);
      add_some<T>(db + at, v, count);
    });
    if (dx.data == nullptr) return;
    const T mean_g = sum.sum() / static_cast<T>(n);
    const T mean_gx = dot.sum() / static_cast<T>(n);
    for_each_block(g, x, n, [&](const Block<T>& v, const Block<T>& u, int64_t at, int64_t count) {
      const Block<T> scaled = v * load_some(weight, at, count, T(1));
      put<T>(dx, row * n + at, r * (scaled - mean_g - (u - m) * r * mean_gx), count);
    });
  });
}

template <class T>
void rms_norm(int64_t rows, int64_t n, const T* x_all, const T* weight, double eps, T* y_all,
              T* rstd) {
  for_each_row(rows, n, [&](int64_t row) {
    const T* x = x_all + row * n;
    const T r = normed<false>(x, n, eps).rstd;
    rstd[row] = r;
    for_each_block(x, n, T(0), [&](const Block<T>& u, int64_t at, int64_t count) {
      store_some<T>(y_all + row * n + at, u * r * load_some(weight, at, count, T(1)), count);
    });
  });
}

template <class T>
void rms_norm_backward(int64_t rows, int64_t n, const T* g_all, const T* x_all, const T* weight,
                       const T* rstd, Gradient<T> dx, Gradient<T> dweight) {
  sum_over_rows<T>(rows, n, dweight, {}, [&](int64_t row, T* dg, T*) {
    const T *g = g_all + row * n, *x = x_all + row * n;
    const T r = rstd[row];
    Total<T> dot;
    for_each_block(g, x, n, [&](const Block<T>& v, const Block<T>& u, int64_t at, int64_t count) {
      const Block<T> normed = u * r;
      dot += v * load_some(weight, at, count, T(1)) * normed;
      if (dg != nullptr) add_some<T>(dg + at, v * normed, count);
    });
    if (dx.data == nullptr) return;
    const T mean_gx = dot.sum() / static_cast<T>(n);
    for_each_block(g, x, n, [&](const Block<T>& v, const Block<T>& u, int64_t at, int64_t count) {
      const Block<T> scaled = v * load_some(weight, at, count, T(1));
      put<T>(dx, row * n + at, r * (scaled - u * r * mean_gx), count);
    });
  });
}

#define RAPT_INSTANTIATE(T)                                                                     \
  template void layer_norm(int64_t, int64_t, const T*, const T*, const T*, double, T*, T*, T*); \
  template void layer_norm_backward(int64_t, int64_t, const T*, const T*, const T*, const T*,   \
                                    const T*, Gradient<T>, Gradient<T>, Gradient<T>);           \
  template void rms_norm(int64_t, int64_t, const T*, const T*, double, T*, T*);                 \
  template void rms_norm_backward(int64_t, int64_t, const T*, const T*, const T*, const T*,     \
                                  Gradient<T>, Gradient<T>);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
#undef RAPT_INSTANTIATE

}  // namespace rapt::kernels
