#pragma once

#include <cstdint>

#include "rapt/autograd/shape.h"

/// Elements by number: index[.., i, ..] says where along an axis of another tensor an element is
/// read or written; its other coordinates are the index's own.
namespace rapt::kernels {

/// An index and the tensor that it points into: their strides along the index's shape. A stride
/// of the index may be 0, for places that share one number. Its numbers have been checked.
struct Places {
  Shape shape;
  int64_t axis;
  const int64_t* index;
  Strides index_strides;
  Strides target_strides;
};

/// out[.., i, ..] = from[.., index[.., i, ..], ..].   out is dense, of the index's shape.
template <class T>
void gather_along(const Places& places, const T* from, T* out);

enum class Combine { replace, add, multiply, larger, smaller };

/// to[.., index[.., i, ..], ..] = itself combined with source[.., i, ..], by rising i. The larger
/// and the smaller of NaN and a number is NaN.   source is dense, of the index's shape.
template <class T>
void scatter_along(const Places& places, Combine combine, const T* source, T* to);

}  // namespace rapt::kernels
