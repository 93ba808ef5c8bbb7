#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "rapt/autograd/shape.h"

/// The one place that walks memory with strides of its own.
///
/// A walk goes from box to box: as many elements as stay in a core's caches. What does not
/// lie there in rows is gathered into a buffer first. A box is long along each axis that an operand
/// has dense, so that whole cache lines are read from a transposed one and written to where they
/// belong; without that, each of its elements would cost a line.
namespace rapt::kernels {

/// Where the index-th element, in row-major order of `shape`, lies with these strides.
inline int64_t offset_of(const Shape& shape, const Strides& strides, int64_t index) {
  int64_t offset = 0;
  for (int64_t axis = shape.rank() - 1; axis >= 0; --axis) {
    offset += index % shape[axis] * strides[axis];
    index /= shape[axis];
  }
  return offset;
}

/// Something to read along a shape: its strides have one entry per axis of that shape, 0 where it
/// is stretched.
template <class T>
struct Operand {
  const T* data;
  Strides strides;
};

class Walk {
 public:
  /// Part of the walk's shape: elements [start, start + lengths) along each axis.
  struct Box {
    Dims start;
    Shape lengths;
    int64_t elements;
  };
  static constexpr int64_t max_elements = 8192;  ///< of a box

  /// A walk over a shape that is not empty. The first strides are those of what is written. The
  /// shape's axes are put into the order of that memory, and neighbours that all walk as one are
  /// joined; the strides are rewritten alike.
  Walk(const Shape& shape, std::initializer_list<Strides*> strides);

  /// True when there is one axis left, dense in all of them.
  bool is_dense() const { return dense_; }
  int64_t boxes() const { return boxes_; }
  /// The most elements that a box has here.
  int64_t box_elements() const { return lengths_.numel(); }
  Box box(int64_t index) const;
  /// To the box behind it.
  void advance(Box& box) const;

 private:
  void choose_lengths(std::initializer_list<Strides*> strides);
  void clip(Box& box) const;

  Shape shape_, lengths_;  // lengths_: of a box
  int64_t boxes_;
  bool dense_;
};

/// Where the box begins.
int64_t offset(const Strides& strides, const Walk::Box& box);
/// True when the box lies there in row-major order without gaps.
bool lies_densely(const Strides& strides, const Walk::Box& box);

/// Calls f(offsets, length) for each run of the box: its last axis, with as many of those before it
/// as all strides walk on through in the same steps. The offsets are by each of the strides.
template <size_t n, class F>
void for_each_run(const Walk::Box& box, const std::array<Strides, n>& strides, F f) {
  int64_t outer = box.lengths.rank() - 1;  // axes before the run
  int64_t length = box.lengths[outer];
  const auto walks_on = [&](const Strides& s) { return s[outer - 1] == s.back() * length; };
  while (outer > 0 &&
         (box.lengths[outer - 1] == 1 || std::all_of(strides.begin(), strides.end(), walks_on))) {
    length *= box.lengths[--outer];
  }
  std::array<int64_t, n> at{};
  Dims index = filled<Dims>(outer, 0);
  while (true) {
    f(at, length);
    int64_t axis = outer - 1;
    for (; axis >= 0; --axis) {
      for (size_t k = 0; k < n; ++k) at[k] += strides[k][axis];
      if (++index[axis] < box.lengths[axis]) break;
      for (size_t k = 0; k < n; ++k) at[k] -= strides[k][axis] * box.lengths[axis];
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

/// The elements of the box, of which `from` is the first, in row-major order to `to`.
template <class T>
void gather(const T* from, const Strides& strides, const Walk::Box& box, T* to);
/// And back.
template <class T>
void scatter(const T* from, const Walk::Box& box, const Strides& strides, T* to);
/// From the one to the other, whatever their strides.
template <class T>
void copy(const T* from, Strides from_strides, const Shape& shape, Strides to_strides, T* to);

}  // namespace rapt::kernels
