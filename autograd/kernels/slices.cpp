#include "rapt/autograd/kernels/slices.h"

#include <algorithm>

#include "rapt/autograd/kernels/block.h"
#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/runtime/allocator.h"
#include "rapt/autograd/kernels/runtime/parallel.h"

namespace rapt::kernels {
namespace {

/// Which slices go to each place of the axis, in their order: to place t those from at(t) up to
/// at(t + 1).
class SlicesByPlace {
 public:
  explicit SlicesByPlace(const Slices& s) : first_(size(s.of.length + 2)), slices_(size(s.count)) {
    // A counting sort: first_[t + 2] counts those to t, then says where those to t + 1 begin.
    for (int64_t i = 0; i < s.count; ++i) ++first_[size(s.index[i] + 2)];
    for (size_t t = 2; t < first_.size(); ++t) first_[t] += first_[t - 1];
    for (int64_t i = 0; i < s.count; ++i) slices_[size(first_[size(s.index[i] + 1)]++)] = i;
  }
  const int64_t* at(int64_t place) const { return slices_.data() + first_[size(place)]; }

 private:
  static size_t size(int64_t n) { return static_cast<size_t>(n); }

  PoolVector<int64_t> first_, slices_;
};

template <class T>
void add_row(const T* from, int64_t n, T* to) {
  for (int64_t i = 0; i < n; ++i) to[i] += from[i];
}

}  // namespace

template <class T>
void copy_slices(const Slices& s, const T* x, T* out) {
  const AxisLayout& of = s.of;
  const auto run = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / s.count * of.length + s.index[i % s.count];
      std::copy_n(x + row * of.inner, of.inner, out + i * of.inner);
    }
  };
  parallel_for(of.outer * s.count, elements_per_piece / std::max<int64_t>(1, of.inner) + 1, run);
}

template <class T>
void add_slices(const Slices& s, const T* source, T* to) {
  using W = Wrapping<T>;
  if constexpr (!std::is_same_v<T, W>) {
    return add_slices(s, reinterpret_cast<const W*>(source), reinterpret_cast<W*>(to));
  }
  const AxisLayout& of = s.of;
  // Slices may go to the same place: a thread has some columns of all of them.
  constexpr int64_t columns_at_once = 64;
  const int64_t groups = ceil_div(of.inner, columns_at_once);
  const auto run = [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end;) {
      // As many columns of one plane as this thread has.
      const int64_t o = piece / groups, column = piece % groups * columns_at_once;
      const int64_t stop = std::min(end, (o + 1) * groups);
      const int64_t columns = std::min(of.inner, (stop - o * groups) * columns_at_once) - column;
      for (int64_t i = 0; i < s.count; ++i) {
        add_row(source + (o * s.count + i) * of.inner + column, columns,
                to + (o * of.length + s.index[i]) * of.inner + column);
      }
      piece = stop;
    }
  };
  parallel_for(of.outer * groups,
               elements_per_piece / (std::max<int64_t>(1, s.count) * columns_at_once) + 1, run);
}

template <class T>
void sum_slices(const Slices& s, const T* x, const T* source, T* out) {
  using W = Wrapping<T>;
  if constexpr (!std::is_same_v<T, W>) {
    return sum_slices(s, reinterpret_cast<const W*>(x), reinterpret_cast<const W*>(source),
                      reinterpret_cast<W*>(out));
  }
  const AxisLayout& of = s.of;
  const auto begin_with = [&](int64_t first, int64_t n) {
    if (x != nullptr) {
      std::copy_n(x + first, n, out + first);
    } else {
      std::fill_n(out + first, n, T(0));
    }
  };
  constexpr int64_t short_row = 16;  // not worth being looked up one by one
  if (of.inner < short_row) {
    parallel_for(of.outer * of.length * of.inner, elements_per_piece,
                 [&](int64_t begin, int64_t end) { begin_with(begin, end - begin); });
    return add_slices(s, source, out);
  }
  // Each element of out is written once, where a copy of x and the additions would be two passes.
  const SlicesByPlace by(s);
  constexpr int64_t columns_at_once = 2048;  // which stay in the first-level cache
  const int64_t width = std::min(of.inner, columns_at_once);
  const int64_t groups = ceil_div(of.inner, width);
  const auto run = [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t row = piece / groups, column = piece % groups * width;
      const int64_t o = row / of.length, place = row % of.length;
      const int64_t columns = std::min(width, of.inner - column);
      const int64_t first = row * of.inner + column;
      begin_with(first, columns);
      for (const int64_t* slice = by.at(place); slice != by.at(place + 1); ++slice) {
        add_row(source + (o * s.count + *slice) * of.inner + column, columns, out + first);
      }
    }
  };
  parallel_for(of.outer * of.length * groups, elements_per_piece / width + 1, run);
}

template void copy_slices(const Slices&, const float*, float*);
template void copy_slices(const Slices&, const double*, double*);
template void copy_slices(const Slices&, const int64_t*, int64_t*);
template void copy_slices(const Slices&, const bool*, bool*);
template void add_slices(const Slices&, const float*, float*);
template void add_slices(const Slices&, const double*, double*);
template void add_slices(const Slices&, const int64_t*, int64_t*);
template void sum_slices(const Slices&, const float*, const float*, float*);
template void sum_slices(const Slices&, const double*, const double*, double*);
template void sum_slices(const Slices&, const int64_t*, const int64_t*, int64_t*);

}  // namespace rapt::kernels
