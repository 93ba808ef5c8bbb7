#pragma once

#include <type_traits>

#include "rapt/autograd/kernels/scratch.h"
#include "rapt/autograd/kernels/tiles.h"

namespace rapt::kernels {

/// Whether products of T run on tiles; else on OpenBLAS.
template <class T>
constexpr bool has_tiles = std::is_same_v<T, float>&& Tile<float>::lanes >= 8;

// A block of b, depth x columns, stays in the second-level cache while all of a passes by; the
// strip of a that meets it stays in the first.
constexpr int64_t depth_per_block = 384;
constexpr int64_t columns_per_block = 128;

/// A product's b, laid out once, block after block, for all that it is multiplied with. Takes no
/// memory where products do not run on tiles.
template <class T>
class PackedB {
 public:
  /// Room for it: nothing is laid out yet.
  PackedB(const Matrix<const T>& b, int64_t depth, int64_t columns)
      : b_(b),
        depth_(depth),
        columns_(columns),
        across_(parts(columns, columns_per_block)),
        row_(parts(columns, Tile<T>::columns) * Tile<T>::columns),
        memory_(has_tiles<T> ? depth * row_ : 0) {}

  int64_t blocks() const { return parts(depth_, depth_per_block) * across_; }

  /// Lays out block i of blocks(); any thread may.
  void pack(int64_t i) const {
    if constexpr (has_tiles<T>) {
      const int64_t at = i / across_ * depth_per_block, column = i % across_ * columns_per_block;
      PackedPanels<T>::pack(b_.at(at, column), depth_of(at), columns_of(column), start(at, column));
    }
  }

  /// Lays out all of it, in this thread.
  const PackedB& pack() const {
    for (int64_t i = 0; i < blocks(); ++i) pack(i);
    return *this;
  }

  /// The block that starts there; `at` and `column` are where blocks do.
  Panels<T> block(int64_t at, int64_t column) const {
    return {start(at, column), true, 0, depth_of(at), columns_of(column)};
  }

 private:
  static int64_t parts(int64_t whole, int64_t part) { return (whole + part - 1) / part; }
  int64_t columns_of(int64_t column) const {
    return std::min(columns_per_block, columns_ - column);
  }
  int64_t depth_of(int64_t at) const { return std::min(depth_per_block, depth_ - at); }
  T* start(int64_t at, int64_t column) const { return memory_ + at * row_ + column * depth_of(at); }

  const Matrix<const T> b_;
  const int64_t depth_, columns_, across_, row_;
  const Scratch<T> memory_;
};

}  // namespace rapt::kernels
