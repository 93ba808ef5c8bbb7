#include "rapt/autograd/kernels/moments.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "rapt/autograd/kernels/columns.h"
#include "rapt/autograd/kernels/row_parts.h"
#include "rapt/autograd/kernels/rows.h"

namespace rapt::kernels {
namespace {

// What is known of so many columns stays in the first-level cache.
constexpr int64_t columns_at_once = 1024;

/// What add(total, u) adds up for the Blocks u of a part of a row; the last is padded with `fill`.
template <class T, class Add>
Wide<T> add_up(const T* x, int64_t n, Wide<T> fill, Add add) {
  using W = Wide<T>;
  const auto at = [&](int64_t i) -> Block<W> { return converted<W>(Block<T>(load(x + i))); };
  constexpr int64_t two = int64_t{2} * lanes;
  Total<W> a, b;
  int64_t i = 0;
  for (; i + two <= n; i += two) {
    add(a, at(i));
    add(b, at(i + lanes));
  }
  if (i + lanes <= n) add(a, at(i)), i += lanes;
  if (i < n) {
    Block<W> last = Block<W>::Constant(fill);
    for (int64_t lane = 0; lane < n - i; ++lane) last[lane] = W(x[i + lane]);
    add(b, last);
  }
  a += b;
  return a.sum();
}

/// finish(row, what is added up) for rows.
template <class T, class Add, class Finish>
void add_up_rows(const Reduction& r, const T* x, Wide<T> fill, Add add, Finish finish) {
  for_row_parts<elements_per_part>(
      r.outer, r.middle,
      [&](int64_t row, int64_t begin, int64_t count) {
        return add_up(x + row * r.middle + begin, count, fill, add);
      },
      [](Wide<T> a, Wide<T> b) { return a + b; }, finish);
}

/// totals[i] = step(totals[i], x[m, i], i) for all m of some columns in turn, Blocks of them at a
/// time; what the last Block has beyond `columns` is of zeros.
template <class T, class Step>
void accumulate_columns(const Reduction& r, const T* x, int64_t columns, Step step,
                        Wide<T>* totals) {
  using W = Wide<T>;
  const auto add_rows = [&]<int rows>(std::integral_constant<int, rows>, const T* from) {
    for (int64_t i = 0; i < columns; i += lanes) {
      const int64_t some = std::min<int64_t>(lanes, columns - i);
      Block<W> total = load(totals + i);
      for (int row = 0; row < rows; ++row) {
        total = step(total, converted<W>(load_some(from + row * r.inner, i, some, T(0))), i);
      }
      store(totals + i, total);
    }
  };
  int64_t m = 0;  // several rows at a time, so that a total is fetched and put back once for them
  for (; m + 4 <= r.middle; m += 4) add_rows(std::integral_constant<int, 4>(), x + m * r.inner);
  for (; m < r.middle; ++m) add_rows(std::integral_constant<int, 1>(), x + m * r.inner);
}

/// sums[i] = the sum of f(x[m, i], i) over all m of some columns.
template <class T, class F>
void sum_columns_of(const Reduction& r, const T* x, int64_t columns, F f, Wide<T>* sums) {
  std::fill_n(sums, columns_at_once, Wide<T>(0));
  const auto step = [&](const auto& sum, const auto& u, int64_t i) -> Block<Wide<T>> {
    return sum + f(u, i);
  };
  accumulate_columns(r, x, columns, step, sums);
}

/// The norm of n elements that far apart, scaled by the largest.
template <class T>
T scaled_norm(const T* x, int64_t stride, int64_t n) {
  double largest = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double size = std::abs(double{x[i * stride]});
    if (!(size <= largest)) largest = size;
    if (largest != largest) return std::numeric_limits<T>::quiet_NaN();
  }
  if (largest == 0 || std::isinf(largest)) return static_cast<T>(largest);
  int exponent = 0;
  std::frexp(largest, &exponent);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double scaled = std::ldexp(double{x[i * stride]}, -exponent);
    sum += scaled * scaled;
  }
  return static_cast<T>(std::ldexp(std::sqrt(sum), exponent));
}

/// Where squares were too large or too small for an f64 to hold their sum with all its digits.
bool lost_digits(double sum) { return !(sum > 0x1p-900) || std::isinf(sum); }

}  // namespace

template <class T>
void norm_1(const Reduction& r, const T* x, T* out) {
  if (r.inner == 1) {
    return add_up_rows(
        r, x, Wide<T>(0), [](auto& total, const auto& u) { total += u.abs(); },
        [&](int64_t row, Wide<T> sum) { out[row] = static_cast<T>(sum); });
  }
  for_each_columns(r, columns_at_once, [&](const Columns& c) {
    Wide<T> sums[columns_at_once];
    sum_columns_of(
        r, x + c.begin, c.count, [](const auto& u, int64_t) { return u.abs(); }, sums);
    for (int64_t i = 0; i < c.count; ++i) out[c.result + i] = static_cast<T>(sums[i]);
  });
}

template <class T>
void norm_2(const Reduction& r, const T* x, T* out) {
  if (r.inner == 1) {
    return add_up_rows(
        r, x, Wide<T>(0), [](auto& total, const auto& u) { total.add_square(u); },
        [&](int64_t row, Wide<T> sum) {
          out[row] = lost_digits(sum) ? scaled_norm(x + row * r.middle, 1, r.middle)
                                      : static_cast<T>(std::sqrt(sum));
        });
  }
  for_each_columns(r, columns_at_once, [&](const Columns& c) {
    Wide<T> sums[columns_at_once];
    sum_columns_of(
        r, x + c.begin, c.count, [](const auto& u, int64_t) { return u * u; }, sums);
    for (int64_t i = 0; i < c.count; ++i) {
      out[c.result + i] = lost_digits(sums[i]) ? scaled_norm(x + c.begin + i, r.inner, r.middle)
                                               : static_cast<T>(std::sqrt(sums[i]));
    }
  });
}

namespace {

template <class T>
T row_variance(const T* x, int64_t n, Wide<T> divisor) {
  const Reduction row{1, n, 1};
  Wide<T> mean = 0, squares = 0;
  add_up_rows(
      row, x, Wide<T>(0), [](auto& total, const auto& u) { total += u; },
      [&](int64_t, Wide<T> sum) { mean = sum / static_cast<Wide<T>>(n); });
  add_up_rows(
      row, x, mean, [mean](auto& total, const auto& u) { total.add_square(u - mean); },
      [&](int64_t, Wide<T> sum) { squares = sum; });
  return static_cast<T>(squares / divisor);
}

}  // namespace

template <class T>
void variance(const Reduction& r, double given, const T* x, T* out) {
  const auto divisor = static_cast<Wide<T>>(given);
  if (r.inner == 1) {
    const auto one = [&](int64_t row) {
      out[row] = row_variance(x + row * r.middle, r.middle, divisor);
    };
    if (r.outer >= threads_worth) return for_each_row(r.outer, r.middle, one);
    for (int64_t row = 0; row < r.outer; ++row) one(row);  // by several threads each
    return;
  }
  for_each_columns(r, columns_at_once, [&](const Columns& c) {
    Wide<T> means[columns_at_once], sums[columns_at_once];
    sum_columns_of(
        r, x + c.begin, c.count, [](const auto& u, int64_t) { return u; }, means);
    for (int64_t i = 0; i < c.count; ++i) means[i] /= static_cast<Wide<T>>(r.middle);
    sum_columns_of(
        r, x + c.begin, c.count,
        [&](const auto& u, int64_t i) -> Block<Wide<T>> { return (u - load(means + i)).square(); },
        sums);
    for (int64_t i = 0; i < c.count; ++i) {
      out[c.result + i] = static_cast<T>(sums[i] / divisor);
    }
  });
}

namespace {

template <class T>
Wide<T> product_of(const T* x, int64_t n) {
  using W = Wide<T>;
  using Packet = VectorOf<W>;
  constexpr int width = lanes_of<W>, count = lanes / width;
  Packet all[count];
  for (Packet& p : all) p = packets::pset1<Packet>(W(1));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const Block<W> u = converted<W>(Block<T>(load(x + i)));
    for (int k = 0; k < count; ++k) {
      all[k] = packets::pmul(all[k], packets::ploadu<Packet>(u.data() + k * width));
    }
  }
  for (int half = count / 2; half > 0; half /= 2) {
    for (int k = 0; k < half; ++k) all[k] = packets::pmul(all[k], all[k + half]);
  }
  W product = packets::predux_mul(all[0]);
  for (; i < n; ++i) product *= W(x[i]);
  return product;
}

}  // namespace

template <class T>
void product(const Reduction& r, const T* x, T* out) {
  using W = Wide<T>;
  if (r.inner == 1) {
    return for_row_parts<elements_per_part>(
        r.outer, r.middle,
        [&](int64_t row, int64_t begin, int64_t count) {
          return product_of(x + row * r.middle + begin, count);
        },
        [](W a, W b) { return a * b; },
        [&](int64_t row, W all) { out[row] = static_cast<T>(all); });
  }
  for_each_columns(r, columns_at_once, [&](const Columns& c) {
    W products[columns_at_once];
    std::fill_n(products, columns_at_once, W(1));
    accumulate_columns(
        r, x + c.begin, c.count,
        [](const auto& product, const auto& u, int64_t) -> Block<W> { return product * u; },
        products);
    for (int64_t i = 0; i < c.count; ++i) out[c.result + i] = static_cast<T>(products[i]);
  });
}

namespace {

/// Eight bytes of 0 or 1 at a time.
int64_t count_row(const bool* x, int64_t n) {
  int64_t count = 0, i = 0;
  while (i + 8 <= n) {
    uint64_t bytes = 0;  // eight counts, which 255 words cannot overflow
    for (int words = 0; words < 255 && i + 8 <= n; ++words, i += 8) {
      uint64_t word;
      std::memcpy(&word, x + i, sizeof(word));
      bytes += word;
    }
    for (; bytes != 0; bytes >>= 8) count += static_cast<int64_t>(bytes & 0xff);
  }
  for (; i < n; ++i) count += x[i];
  return count;
}

}  // namespace

void count_true(const Reduction& r, const bool* x, int64_t* out) {
  if (r.inner == 1) {
    return for_row_parts<elements_per_part>(
        r.outer, r.middle,
        [&](int64_t row, int64_t begin, int64_t count) {
          return count_row(x + row * r.middle + begin, count);
        },
        [](int64_t a, int64_t b) { return a + b; }, [&](int64_t row, int64_t n) { out[row] = n; });
  }
  for_each_columns(r, columns_at_once, [&](const Columns& c) {
    std::fill_n(out + c.result, c.count, 0);
    constexpr int64_t rows_at_once = 255;  // which a byte can count
    for (int64_t begin = 0; begin < r.middle; begin += rows_at_once) {
      uint8_t counts[columns_at_once] = {};
      for (int64_t m = begin; m < std::min(begin + rows_at_once, r.middle); ++m) {
        const bool* const row = x + c.begin + m * r.inner;
        for (int64_t i = 0; i < c.count; ++i) counts[i] = static_cast<uint8_t>(counts[i] + row[i]);
      }
      for (int64_t i = 0; i < c.count; ++i) out[c.result + i] += counts[i];
    }
  });
}

#define RAPT_INSTANTIATE(T)                                       \
  template void norm_1(const Reduction&, const T*, T*);           \
  template void norm_2(const Reduction&, const T*, T*);           \
  template void variance(const Reduction&, double, const T*, T*); \
  template void product(const Reduction&, const T*, T*);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
#undef RAPT_INSTANTIATE
template void product(const Reduction&, const int64_t*, int64_t*);

}  // namespace rapt::kernels
