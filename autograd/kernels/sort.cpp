#include "rapt/autograd/kernels/sort.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <type_traits>
#include <utility>

#include "rapt/autograd/kernels/block.h"
#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/runtime/parallel.h"
#include "rapt/autograd/kernels/runtime/scratch.h"
#include "rapt/autograd/pool.h"

namespace rapt::kernels {
namespace {

/// Unsigned integers in the order of the numbers.
uint64_t key_of(int64_t x) { return static_cast<uint64_t>(x) ^ (uint64_t{1} << 63); }
template <class T>
auto key_of(T x) {
  using U = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  constexpr U sign = U{1} << (8 * sizeof(U) - 1);
  if (x != x) return std::numeric_limits<U>::max();
  const U bits = std::bit_cast<U>(x + T(0));  // -0 + 0 is 0
  return (bits & sign) != 0 ? static_cast<U>(~bits) : static_cast<U>(bits | sign);
}

/// What is sorted: a key with its place, all different, so that no sort can swap equals.
struct KeyAndPlace {
  uint64_t key;
  uint64_t place;
  bool operator<(const KeyAndPlace& other) const {
    return key != other.key ? key < other.key : place < other.place;
  }
};
struct PackedItem {  // of f32: one integer
  uint64_t both;
  bool operator<(const PackedItem& other) const { return both < other.both; }
};

int64_t place_of(const KeyAndPlace& item) { return static_cast<int64_t>(item.place); }
int64_t place_of(const PackedItem& item) { return static_cast<int64_t>(item.both & 0xffffffff); }

/// The i-th byte of the key, from the lowest.
size_t digit(const KeyAndPlace& item, int i) { return item.key >> (8 * i) & 0xff; }
size_t digit(const PackedItem& item, int i) { return item.both >> (32 + 8 * i) & 0xff; }

template <class T>
using Item = std::conditional_t<std::is_same_v<T, float>, PackedItem, KeyAndPlace>;
template <class T>
constexpr int digits_of = sizeof(decltype(key_of(T{})));

template <class T>
Item<T> item_of(T x, int64_t place, bool descending) {
  const auto key = descending ? static_cast<decltype(key_of(x))>(~key_of(x)) : key_of(x);
  if constexpr (std::is_same_v<T, float>) {
    return {uint64_t{key} << 32 | static_cast<uint64_t>(place)};
  } else {
    return {key, static_cast<uint64_t>(place)};
  }
}

// Below that, comparisons are cheaper than counting.
constexpr int64_t least_for_counting = 64;

/// Sorts by one byte after the other, from the lowest (LSD radix sort); `spare` has the same room.
/// Returns where the result is.
template <int digits, class Item>
Item* sort_by_digits(Item* items, Item* spare, int64_t n) {
  std::array<std::array<uint32_t, 256>, static_cast<size_t>(digits)> counts{};
  for (int64_t i = 0; i < n; ++i) {
    for (int d = 0; d < digits; ++d) ++counts[static_cast<size_t>(d)][digit(items[i], d)];
  }
  for (int d = 0; d < digits; ++d) {
    auto& count = counts[static_cast<size_t>(d)];
    if (count[digit(items[0], d)] == n) continue;  // all have the same
    uint32_t before = 0;
    for (uint32_t& c : count) before += std::exchange(c, before);
    for (int64_t i = 0; i < n; ++i) spare[count[digit(items[i], d)]++] = items[i];
    std::swap(items, spare);
  }
  return items;
}

/// One line after another, on one thread.
template <class T>
class Sorter {
 public:
  Sorter(int64_t n, bool descending) : n_(n), descending_(descending) {}

  /// The first k items of the line at x, in order.
  const Item<T>* first(const T* x, int64_t k) {
    if (k * 8 <= n_) return by_heap(x, k);
    if (n_ < least_for_counting) {
      load(x, [](const Item<T>&) { return true; });
      std::partial_sort(items_.begin(), items_.begin() + k, items_.end());
      return items_.data();
    }
    if (k < n_) {
      const Item<T> last = nth(x, k - 1);
      load(x, [&](const Item<T>& item) { return !(last < item); });
    } else {
      load(x, [](const Item<T>&) { return true; });
    }
    if (k < least_for_counting) {
      std::sort(items_.begin(), items_.end());
      return items_.data();
    }
    spare_.resize(items_.size());
    return sort_by_digits<digits_of<T>>(items_.data(), spare_.data(), k);  // keeps their order
  }

  Item<T> nth(const T* x, int64_t k) {
    load(x, [](const Item<T>&) { return true; });
    std::nth_element(items_.begin(), items_.begin() + k, items_.end());
    return items_[static_cast<size_t>(k)];
  }

 private:
  /// Those of the line that are wanted, in the order of their places.
  template <class Wanted>
  void load(const T* x, Wanted wanted) {
    items_.clear();
    items_.reserve(static_cast<size_t>(n_));
    for (int64_t i = 0; i < n_; ++i) {
      const Item<T> item = item_of(x[i], i, descending_);
      if (wanted(item)) items_.push_back(item);
    }
  }

  /// Few of many: the k least so far, the largest of them on top; most items are none of them.
  const Item<T>* by_heap(const T* x, int64_t k) {
    items_.clear();
    if (k == 0) return items_.data();
    for (int64_t i = 0; i < k; ++i) items_.push_back(item_of(x[i], i, descending_));
    std::make_heap(items_.begin(), items_.end());
    for (int64_t i = k; i < n_; ++i) {
      const Item<T> item = item_of(x[i], i, descending_);
      if (!(item < items_.front())) continue;
      std::pop_heap(items_.begin(), items_.end());
      items_.back() = item;
      std::push_heap(items_.begin(), items_.end());
    }
    std::sort_heap(items_.begin(), items_.end());
    return items_.data();
  }

  const int64_t n_;
  const bool descending_;
  PoolVector<Item<T>> items_, spare_;
};

// Lines side by side that are laid out one after another together: what is read of a row fills
// whole cache lines.
constexpr int64_t lines_at_once = 16;

/// to [columns, rows] = the transpose of from [rows, columns], whose rows lie that far apart; and
/// back.
template <class T>
void gather_columns(const T* from, int64_t rows, int64_t columns, int64_t apart, T* to) {
  const auto one_by_one = [&](int64_t begin, int64_t end, int64_t column) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = column; j < columns; ++j) to[j * rows + i] = from[i * apart + j];
    }
  };
  int64_t i = 0;
  if constexpr (std::is_floating_point_v<T>) {
    constexpr int64_t side = lanes_of<T>;
    for (; i + side <= rows; i += side) {
      int64_t j = 0;
      for (; j + side <= columns; j += side) {
        transpose_square(from + i * apart + j, apart, to + j * rows + i, rows);
      }
      one_by_one(i, i + side, j);
    }
  }
  one_by_one(i, rows, 0);
}
template <class T>
void scatter_columns(const T* from, int64_t rows, int64_t columns, int64_t apart, T* to) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) to[i * apart + j] = from[j * rows + i];
  }
}

/// values, places [outer, k, inner] = what f(sorter, line, values, places) sets for each line, k of
/// each.
template <class T, class F>
void for_each_line(const Reduction& r, bool descending, int64_t k, const T* x, T* values,
                   int64_t* places, F f) {
  const int64_t n = r.middle, at_once = std::min(lines_at_once, r.inner);
  const int64_t across = ceil_div(r.inner, std::max<int64_t>(at_once, 1));
  const int64_t grain =
      std::max<int64_t>(1, elements_per_piece / 4 / std::max<int64_t>(1, n * at_once));
  parallel_for(r.outer * across, grain, [&](int64_t begin, int64_t end) {
    Sorter<T> sorter(n, descending);
    if (r.inner == 1) {
      for (int64_t i = begin; i < end; ++i) f(sorter, x + i * n, values + i * k, places + i * k);
      return;
    }
    const Scratch<T> lines(at_once * n), line_values(at_once * k);
    const Scratch<int64_t> line_places(at_once * k);
    for (int64_t group = begin; group < end; ++group) {
      const int64_t outer = group / across, column = group % across * at_once;
      const int64_t some = std::min(at_once, r.inner - column);
      const int64_t to = outer * k * r.inner + column;
      gather_columns<T>(x + outer * n * r.inner + column, n, some, r.inner, lines);
      for (int64_t j = 0; j < some; ++j) {
        f(sorter, lines + j * n, line_values + j * k, line_places + j * k);
      }
      scatter_columns<T>(line_values, k, some, r.inner, values + to);
      scatter_columns<int64_t>(line_places, k, some, r.inner, places + to);
    }
  });
}

}  // namespace

template <class T>
void sort(const Reduction& r, bool descending, int64_t k, const T* x, T* values, int64_t* places) {
  for_each_line(r, descending, k, x, values, places,
                [k](Sorter<T>& sorter, const T* line, T* line_values, int64_t* line_places) {
                  const Item<T>* const first = sorter.first(line, k);
                  for (int64_t i = 0; i < k; ++i) {
                    line_places[i] = place_of(first[i]);
                    line_values[i] = line[line_places[i]];
                  }
                });
}

template <class T>
void nth(const Reduction& r, int64_t k, const T* x, T* values, int64_t* places) {
  for_each_line(r, false, 1, x, values, places,
                [k](Sorter<T>& sorter, const T* line, T* value, int64_t* place) {
                  *place = place_of(sorter.nth(line, k));
                  *value = line[*place];
                });
}

#define RAPT_INSTANTIATE(T)                                                    \
  template void sort(const Reduction&, bool, int64_t, const T*, T*, int64_t*); \
  template void nth(const Reduction&, int64_t, const T*, T*, int64_t*);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
RAPT_INSTANTIATE(int64_t)
#undef RAPT_INSTANTIATE

}  // namespace rapt::kernels
