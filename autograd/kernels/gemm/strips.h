#pragma once

#include <algorithm>
#include <cstring>
#include <optional>

#include "rapt/autograd/kernels/gemm/packed.h"
#include "rapt/autograd/kernels/gemm/tiles.h"
#include "rapt/autograd/kernels/runtime/scratch.h"

namespace rapt::kernels {

// Rows of a that are a multiple of 4 KiB apart alias in L1, and rows 64 KiB or more apart miss the
// TLB: a is then copied, else read in place.
constexpr int64_t page = 4096;
constexpr int64_t far = 16 * page;
constexpr int64_t strip_row_stride = depth_per_block + 16;
// Strips that are copied together, from an a stored by columns.
constexpr int64_t strips_at_once = 8;

/// The memory that a thread packs into: b's panels, and a's strips.
template <class T>
struct Workspace {
  Scratch<T> panels{PackedPanels<T>::size(depth_per_block, columns_per_block)};
  Scratch<T> strips{strips_at_once * Tile<T>::rows * strip_row_stride};
};

/// This thread's own, kept from product to product; a new one once the thread's statics are being
/// destroyed, when an object of a user's may still call an op.
template <class T>
class WorkspaceHere {
 public:
  WorkspaceHere() : mine_(kept != nullptr ? kept : find()) {}
  WorkspaceHere(const WorkspaceHere&) = delete;
  WorkspaceHere& operator=(const WorkspaceHere&) = delete;
  Workspace<T>* operator->() const { return mine_; }

 private:
  struct Kept : Workspace<T> {
    Kept() { kept = this; }
    ~Kept() {
      kept = nullptr;
      gone = true;
    }
  };
  [[gnu::noinline]] Workspace<T>* find() {
    if (gone) return &late_.emplace();
    thread_local Kept workspace;
    return &workspace;
  }

  static inline thread_local constinit Workspace<T>* kept = nullptr;
  static inline thread_local constinit bool gone = false;

  std::optional<Workspace<T>> late_;
  Workspace<T>* const mine_;
};

/// Rows of a as the tiles read them, strip by strip.
template <class T>
class Strips {
 public:
  /// `columns`: of b, which all meet each strip.
  Strips(const Matrix<const T>& a, int64_t rows, int64_t depth, int64_t columns, T* memory)
      : a_(a), rows_(rows), depth_(depth), memory_(memory) {
    const int64_t stride = a.column_stride == 1 ? a.row_stride : a.column_stride;
    const int64_t apart = stride * static_cast<int64_t>(sizeof(T));
    const bool awkward = apart % page == 0 || apart >= far;
    const bool again = columns > Tile<T>::columns;  // a copy pays only if it is read again
    if (a.column_stride == 1) {
      how_ = awkward && again ? How::rows : How::in_place;
    } else if (a.row_stride == 1) {
      how_ = awkward && again ? How::columns : How::in_place;
    } else {
      how_ = How::rows;
    }
  }

  /// The strip that starts at `row`, asked for in ascending order.
  Strip<T> at(int64_t row) {
    constexpr int64_t tall = Tile<T>::rows;
    switch (how_) {
      case How::in_place:
        return {a_.at(row, 0).data, a_.row_stride, a_.column_stride};
      case How::rows:
        copy_rows(row);
        return {memory_, strip_row_stride, 1};
      case How::columns:
        break;
    }
    if (row % (strips_at_once * tall) == 0) copy_strips(row);
    return {memory_ + row % (strips_at_once * tall) * depth_, 1, tall};
  }

 private:
  enum class How { in_place, rows, columns };

  void copy_rows(int64_t row) {
    const int64_t some = std::min<int64_t>(Tile<T>::rows, rows_ - row);
    for (int64_t i = 0; i < some; ++i) {
      T* line = memory_ + i * strip_row_stride;
      const T* from = a_.at(row + i, 0).data;
      if (a_.column_stride == 1) {
        std::copy_n(from, depth_, line);
      } else {
        for (int64_t p = 0; p < depth_; ++p) line[p] = from[p * a_.column_stride];
      }
    }
  }

  /// Each column of a is read for several strips at once: few elements of it lie together.
  void copy_strips(int64_t row) {
    constexpr int64_t tall = Tile<T>::rows;
    const int64_t some = std::min(strips_at_once * tall, rows_ - row);
    for (int64_t p = 0; p < depth_; ++p) {
      const T* from = a_.at(row, p).data;
      int64_t i = 0;
      for (; i + tall <= some; i += tall) {
        std::memcpy(memory_ + i * depth_ + p * tall, from + i, tall * sizeof(T));
      }
      std::copy_n(from + i, some - i, memory_ + i * depth_ + p * tall);
    }
  }

  const Matrix<const T> a_;
  const int64_t rows_, depth_;
  T* const memory_;
  How how_;
};

}  // namespace rapt::kernels
