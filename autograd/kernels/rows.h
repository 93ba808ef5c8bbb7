#pragma once

#include <algorithm>

#include "rapt/autograd/kernels/math.h"
#include "rapt/autograd/kernels/runtime/parallel.h"

/// What kernels do to one row of n elements, a Block at a time.
namespace rapt::kernels {

/// f(row) for each row, spread over the threads.
template <class F>
void for_each_row(int64_t rows, int64_t n, F f) {
  const int64_t grain = std::max<int64_t>(1, elements_per_piece / std::max<int64_t>(n, 1));
  parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) f(row);
  });
}

/// f(block, index, count) for each block of the row; the last one is padded with `fill`. Inlined,
/// or what f adds up would go through memory.
template <class T, class F>
[[gnu::always_inline]] inline void for_each_block(const T* x, int64_t n, T fill, F f) {
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) f(load(x + i), i, int64_t{lanes});
  if (i < n) f(load_part(x + i, n - i, fill), i, n - i);
}

/// The same for two rows side by side; both are padded with 0.
template <class T, class F>
[[gnu::always_inline]] inline void for_each_block(const T* x, const T* y, int64_t n, F f) {
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) f(load(x + i), load(y + i), i, int64_t{lanes});
  if (i < n) f(load_part(x + i, n - i, T(0)), load_part(y + i, n - i, T(0)), i, n - i);
}

/// Writes the first `count` lanes.
template <class T>
void store_some(T* to, const Block<T>& block, int64_t count) {
  if (count == lanes) {
    store(to, block);
  } else {
    store_part(to, block, count);
  }
}

/// A row of `row` with its tail padded by `fill`; `fill` everywhere for a null row.
template <class T>
Block<T> load_some(const T* row, int64_t at, int64_t count, T fill) {
  if (row == nullptr) return Block<T>::Constant(fill);
  return count == lanes ? load(row + at) : load_part(row + at, count, fill);
}

/// The sum of the lanes that these vectors hold: each half is added to the other until one is left,
/// whatever the width.
template <class T>
[[gnu::always_inline]] inline T sum_of_lanes(const VectorOf<T>* parts) {
  constexpr int count = lanes / lanes_of<T>;
  VectorOf<T> sums[count];
  for (int i = 0; i < count; ++i) sums[i] = parts[i];
  for (int half = count / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) sums[i] = packets::padd(sums[i], sums[i + half]);
  }
  return packets::predux(sums[0]);
}

/// What a row adds up to, lane by lane. Vectors of the machine's own, because the compiler lets a
/// Block that changes in a loop go through memory.
template <class T>
class Total {
 public:
  Total() {
    for (Packet& sum : sums_) sum = packets::pset1<Packet>(T(0));
  }
  [[gnu::always_inline]] void operator+=(const Block<T>& block) {
    for (int i = 0; i < count; ++i) {
      sums_[i] = packets::padd(sums_[i], packets::ploadu<Packet>(block.data() + i * width));
    }
  }
  [[gnu::always_inline]] void operator+=(const Total& other) {
    for (int i = 0; i < count; ++i) sums_[i] = packets::padd(sums_[i], other.sums_[i]);
  }
  /// Adds block^2, rounded once.
  [[gnu::always_inline]] void add_square(const Block<T>& block) {
    for (int i = 0; i < count; ++i) {
      const Packet p = packets::ploadu<Packet>(block.data() + i * width);
      sums_[i] = packets::pmadd(p, p, sums_[i]);
    }
  }
  [[gnu::always_inline]] T sum() const { return sum_of_lanes<T>(sums_); }

 private:
  using Packet = VectorOf<T>;
  static constexpr int width = lanes_of<T>, count = lanes / width;
  Packet sums_[count];
};

/// The largest element, -inf of none. NaN may be passed over: it is for shifting what goes into
/// exp, whose sum then is NaN.
template <class T>
[[gnu::always_inline]] inline T row_max(const T* x, int64_t n) {
  using Packet = VectorOf<T>;
  constexpr int width = lanes_of<T>;
  Packet best = packets::pset1<Packet>(-infinity<T>);
  int64_t i = 0;
  for (; i + width <= n; i += width) best = packets::pmax(best, packets::ploadu<Packet>(x + i));
  T top = packets::predux_max(best);
  for (; i < n; ++i) top = std::max(top, x[i]);
  return top;
}

/// The largest element where it is finite, else 0: what exp can safely be shifted by.
template <class T>
T shift_of(const T* x, int64_t n) {
  const T top = row_max(x, n);
  return top == -infinity<T> ? T(0) : top;
}

/// The smallest element, inf of none.
template <class T>
T row_min(const T* x, int64_t n) {
  T least = infinity<T>;
  for (int64_t i = 0; i < n; ++i) least = std::min(least, x[i]);
  return least;
}

/// Whether NaN was among the elements of some rows.
template <class T>
class NaNSeen {
 public:
  [[gnu::always_inline]] void add(const T* x, int64_t n) {
    int64_t i = 0;
    for (; i + width <= n; i += width) add(packets::ploadu<Packet>(x + i));
    for (; i < n; ++i) rest_ |= x[i] != x[i];
  }
  [[gnu::always_inline]] void add(const VectorOf<T>& p) {
    numbers_ = packets::pand(numbers_, packets::pcmp_eq(p, p));
  }
  bool any() const {
    return rest_ || packets::predux_any(packets::pandnot(packets::ptrue(numbers_), numbers_));
  }

 private:
  using Packet = VectorOf<T>;
  static constexpr int width = lanes_of<T>;
  Packet numbers_ = packets::ptrue(packets::pset1<Packet>(T(0)));  // lanes without one so far
  bool rest_ = false;
};

/// The sum of the row's elements.
template <class T>
T row_sum(const T* x, int64_t n) {
  Total<T> total;
  for_each_block(x, n, T(0), [&](const Block<T>& u, int64_t, int64_t) { total += u; });
  return total.sum();
}

/// The sum of the products of two rows.
template <class T>
T row_dot(const T* x, const T* y, int64_t n) {
  Total<T> total;
  for_each_block(x, y, n,
                 [&](const Block<T>& u, const Block<T>& v, int64_t, int64_t) { total += u * v; });
  return total.sum();
}

/// The sum of exp(x - shift).
template <class T>
T row_sum_exp(const T* x, int64_t n, T shift) {
  Total<T> total;
  for_each_block(x, n, -infinity<T>,
                 [&](const Block<T>& u, int64_t, int64_t) { total += exp<T>(u - shift); });
  return total.sum();
}

}  // namespace rapt::kernels
