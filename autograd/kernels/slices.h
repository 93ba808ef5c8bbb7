#pragma once

#include <cstdint>

#include "rapt/autograd/shape.h"

/// Slices of a dense tensor along one of its axes, by number. Numbers lie inside of the axis.
namespace rapt::kernels {

/// A dense tensor [outer, length, inner] seen from one of its axes.
struct AxisLayout {
  int64_t outer = 1, length = 0, inner = 1;

  AxisLayout(const Shape& shape, int64_t axis) : length(shape[axis]) {
    for (int64_t i = 0; i < axis; ++i) outer *= shape[i];
    for (int64_t i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  }
};

struct Slices {
  AxisLayout of;
  const int64_t* index;  // [count]
  int64_t count;
};

/// out [outer, count, inner]: out[.., i, ..] = x[.., index[i], ..].
template <class T>
void copy_slices(const Slices& slices, const T* x, T* out);

/// to[.., index[i], ..] += source[.., i, ..], in the order of i; source [outer, count, inner].
template <class T>
void add_slices(const Slices& slices, const T* source, T* to);

/// The same from x, or from zeros if it is null, to `out`.
template <class T>
void sum_slices(const Slices& slices, const T* x, const T* source, T* out);

}  // namespace rapt::kernels
