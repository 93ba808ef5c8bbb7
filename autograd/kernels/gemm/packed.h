#pragma once

#include <type_traits>

#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/fold.h"
#include "rapt/autograd/kernels/gemm/tiles.h"
#include "rapt/autograd/kernels/runtime/scratch.h"

namespace rapt::kernels {

/// Whether products of T run on tiles; else on OpenBLAS.
template <class T>
constexpr bool has_tiles = std::is_same_v<T, float>&& Tile<float>::lanes >= 8;

// A block of b, depth x columns, stays in the second-level cache while all of a passes by; the
// strip of a that meets it stays in the first.
constexpr int64_t depth_per_block = terms_per_block;
constexpr int64_t columns_per_block = 128;
static_assert(columns_per_block % Tile<float>::columns == 0);

/// A product's b, laid out once for all that it is multiplied with: blocks of columns_per_block
/// columns, those of the first depth_per_block rows first. Takes no memory where products do not
/// run on tiles.
template <class T>
class PackedB {
 public:
  /// Room for it: nothing is laid out yet.
  PackedB(const Matrix<const T>& b, int64_t depth, int64_t columns)
      : b_(b),
        depth_(depth),
        columns_(columns),
        across_(ceil_div(columns, Tile<T>::columns)),
        row_(across_ * Tile<T>::columns),
        memory_(has_tiles<T> ? depth * row_ : 0) {}

  /// The panels of all blocks.
  int64_t panels() const { return ceil_div(depth_, depth_per_block) * across_; }

  /// Lays out one of them; any thread may.
  void pack(int64_t panel) const {
    if constexpr (has_tiles<T>) {
      const int64_t at = panel / across_ * depth_per_block;
      const int64_t column = panel % across_ * Tile<T>::columns;
      PackedPanels<T>::pack(b_.at(at, column), depth_of(at),
                            std::min<int64_t>(Tile<T>::columns, columns_ - column),
                            start(at, column));
    }
  }

  /// Lays out all of it, in this thread.
  const PackedB& pack() const {
    if constexpr (has_tiles<T>) {
      for (int64_t at = 0; at < depth_; at += depth_per_block) {
        PackedPanels<T>::pack(b_.at(at, 0), depth_of(at), columns_, start(at, 0));
      }
    }
    return *this;
  }

  /// The block that starts there; `at` and `column` are where blocks do.
  Panels<T> block(int64_t at, int64_t column) const {
    return {start(at, column), true, 0, depth_of(at),
            std::min(columns_per_block, columns_ - column)};
  }

 private:
  int64_t depth_of(int64_t at) const { return std::min(depth_per_block, depth_ - at); }
  T* start(int64_t at, int64_t column) const { return memory_ + at * row_ + column * depth_of(at); }

  Matrix<const T> b_;
  int64_t depth_, columns_, across_, row_;
  Scratch<T> memory_;
};

}  // namespace rapt::kernels
