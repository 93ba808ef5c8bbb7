#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "rapt/autograd/kernels/block.h"
#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/gemm/matrix.h"

/// The pieces of a matrix product that fit a core: a tile of c held in registers, and the copies of
/// a and b that it is fed from (after Goto and van de Geijn, "Anatomy of High-Performance Matrix
/// Multiplication", 2008). Instructions come from Eigen's packets.
namespace rapt::kernels {

template <class T>
struct Tile {
  using Packet = VectorOf<T>;
  static constexpr int lanes = lanes_of<T>;
  // rows x vectors sums, the vectors of b and one element of a have to fit the registers.
  static constexpr int rows = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 8 : 6;
  static constexpr int vectors = 2;
  static constexpr int columns = vectors * lanes;
};

/// How a tile reads a: element (row i, step p) at data[i * row_stride + p * step]. One of the two
/// is 1; `unit_step` says which, so that the other steps cost no multiplication.
template <class T>
struct Strip {
  const T* data;
  int64_t row_stride, step;
};

/// A block of b as the tiles read it: in panels of Tile::columns, the last one perhaps narrower.
template <class T>
struct Panels {
  const T* data;
  bool packed;         // each panel dense, one after the other; else b as it lies
  int64_t row_stride;  // when not packed
  int64_t depth, columns;

  const T* panel(int64_t column) const { return data + (packed ? column * depth : column); }
  /// From one row of the panel to the next.
  int64_t stride(int64_t column) const {
    return packed ? width(std::min<int64_t>(Tile<T>::columns, columns - column)) : row_stride;
  }
  /// Columns of a panel for `columns` of b: whole vectors.
  static int64_t width(int64_t columns) {
    return columns > Tile<T>::lanes ? Tile<T>::columns : Tile<T>::lanes;
  }
};

/// c = alpha * sum, + c or + bias.
template <class T>
struct Epilogue {
  T alpha;
  bool add;       // to what c holds
  const T* bias;  // to each row; or null
};

/// One tile of c: its first `columns` columns, of rows x vectors * lanes. a_stride: from row to row
/// of a strip whose steps lie side by side, else from step to step.
template <class T, bool unit_step, int rows, int vectors>
inline void compute_tile(int64_t depth, const T* a, int64_t a_stride, const T* b, int64_t b_stride,
                         T* c, int64_t c_stride, int64_t columns, const Epilogue<T>& epilogue,
                         const T* bias) {
  using Packet = typename Tile<T>::Packet;
  constexpr int width = Tile<T>::lanes;
  const int64_t row_stride = unit_step ? a_stride : 1, step = unit_step ? 1 : a_stride;
  Packet sums[rows][vectors];
  for (auto& row : sums) {
    for (Packet& sum : row) sum = packets::pset1<Packet>(T(0));
  }
  for (int64_t p = 0; p < depth; ++p, a += step, b += b_stride) {
    Packet right[vectors];
    for (int j = 0; j < vectors; ++j) right[j] = packets::ploadu<Packet>(b + j * width);
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
      const Packet left = packets::pset1<Packet>(a[i * row_stride]);
      for (int j = 0; j < vectors; ++j) sums[i][j] = packets::pmadd(left, right[j], sums[i][j]);
    }
  }
  const Packet alpha = packets::pset1<Packet>(epilogue.alpha);
  // NOLINTNEXTLINE(bugprone-implicit-widening-of-multiplication-result): a tile is small
  const bool whole = columns == vectors * width;
  alignas(64) T line[vectors * width] = {};
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
    T* const to = c + i * c_stride;
    T* const out = whole ? to : line;
    const T* start = epilogue.add ? to : bias;
    if (!whole && start != nullptr) {
      std::copy_n(start, columns, line);
      start = line;
    }
    for (int j = 0; j < vectors; ++j) {
      Packet sum = packets::pmul(sums[i][j], alpha);
      if (start != nullptr) sum = packets::padd(sum, packets::ploadu<Packet>(start + j * width));
      packets::pstoreu(out + j * width, sum);
    }
    if (!whole) std::copy_n(line, columns, to);
  }
}

/// What a strip needs of a block of b: the steps [first, last) of each sum, for the columns from
/// `column` (or a few before it) up to `columns`.
struct Extent {
  int64_t first, last, column, columns;
};

/// A strip of `rows` rows of a, times the panels of b. (By reference: a Strip as a parameter is
/// copied by g++ 12 in halves of 16 bytes right after it was written in quarters of 8, which waits
/// until the writes are through: 4 % of attention.)
template <class T, bool unit_step, int rows>
void compute_strip(const Extent& e, const Strip<T>& a, const Panels<T>& b, T* c, int64_t c_stride,
                   const Epilogue<T>& epilogue) {
  const int64_t depth = e.last - e.first;
  const T* const from = a.data + e.first * a.step;
  const int64_t a_stride = unit_step ? a.row_stride : a.step;
  const int64_t begin = e.column / Tile<T>::columns * Tile<T>::columns;
  for (int64_t j = begin; j < e.columns; j += Tile<T>::columns) {
    const int64_t some = std::min<int64_t>(Tile<T>::columns, e.columns - j);
    const int64_t stride = b.stride(j);
    const T* panel = b.panel(j) + e.first * stride;
    const T* bias = epilogue.bias != nullptr ? epilogue.bias + j : nullptr;
    if (some > Tile<T>::lanes) {
      compute_tile<T, unit_step, rows, 2>(depth, from, a_stride, panel, stride, c + j, c_stride,
                                          some, epilogue, bias);
    } else {
      compute_tile<T, unit_step, rows, 1>(depth, from, a_stride, panel, stride, c + j, c_stride,
                                          some, epilogue, bias);
    }
  }
}

/// compute_strip for the number of rows that there are.
template <class T>
void compute_rows(int64_t rows, const Extent& e, const Strip<T>& a, const Panels<T>& b, T* c,
                  int64_t c_stride, const Epilogue<T>& epilogue) {
  static_assert(Tile<T>::vectors == 2);
  using Compute =
      void (*)(const Extent&, const Strip<T>&, const Panels<T>&, T*, int64_t, const Epilogue<T>&);
  static constexpr auto table = []<size_t... r>(std::index_sequence<r...>) {
    return std::array<std::array<Compute, sizeof...(r)>, 2>{
        {{&compute_strip<T, false, r + 1>...}, {&compute_strip<T, true, r + 1>...}}};
  }
  (std::make_index_sequence<Tile<T>::rows>());
  table[a.step == 1][static_cast<size_t>(rows - 1)](e, a, b, c, c_stride, epilogue);
}

/// b's columns in panels of Tile::columns (the last one of Tile::lanes if that is enough), each
/// depth x width with its rows dense; columns that b does not have are 0.
template <class T>
class PackedPanels {
 public:
  static int64_t size(int64_t depth, int64_t columns) {
    return depth * (ceil_div(columns, Tile<T>::lanes) + 1) * Tile<T>::lanes;
  }

  static void pack(const Matrix<const T>& b, int64_t depth, int64_t columns, T* to) {
    if (b.column_stride == 1) return split_rows(b, depth, columns, to);
    for (int64_t j = 0; j < columns; j += Tile<T>::columns) {
      const int64_t some = std::min<int64_t>(Tile<T>::columns, columns - j);
      transpose(b.at(0, j), depth, some, Panels<T>::width(some), to + j * depth);
    }
  }

 private:
  /// b stored by rows: each row is read once, from end to end, and dealt out to the panels.
  static void split_rows(const Matrix<const T>& b, int64_t depth, int64_t columns, T* to) {
    constexpr int64_t whole = Tile<T>::columns;
    const int64_t rest = columns % whole, at_rest = columns - rest;
    const int64_t wide = rest > 0 ? Panels<T>::width(rest) : 0;
    for (int64_t p = 0; p < depth; ++p) {
      const T* from = b.data + p * b.row_stride;
      for (int64_t j = 0; j < at_rest; j += whole) {
        std::memcpy(to + j * depth + p * whole, from + j, whole * sizeof(T));
      }
      T* last = to + at_rest * depth + p * wide;
      if (rest == Tile<T>::lanes) {
        std::memcpy(last, from + at_rest, Tile<T>::lanes * sizeof(T));
      } else {
        std::copy_n(from + at_rest, rest, last);
        std::fill(last + rest, last + wide, T(0));
      }
    }
  }

  /// One panel of a b in any layout; of one stored by columns, squares of lanes x lanes are
  /// transposed in registers.
  static void transpose(const Matrix<const T>& b, int64_t depth, int64_t some, int64_t wide,
                        T* to) {
    constexpr int side = Tile<T>::lanes;
    for (int64_t j = 0; j < wide; j += side) {
      int64_t p = 0;
      if (b.row_stride == 1 && j + side <= some) {
        for (; p + side <= depth; p += side) {
          transpose_square(b.data + j * b.column_stride + p, b.column_stride, to + p * wide + j,
                           wide);
        }
      }
      for (int64_t i = 0; i < side; ++i) {
        const T* from = b.data + (j + i) * b.column_stride;
        for (int64_t q = p; q < depth; ++q) {
          to[q * wide + j + i] = j + i < some ? from[q * b.row_stride] : T(0);
        }
      }
    }
  }
};

}  // namespace rapt::kernels
