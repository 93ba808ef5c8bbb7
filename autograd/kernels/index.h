#pragma once

#include <cstdint>

#include "rapt/autograd/shape.h"

/// Elements by number: index[.., i, ..] says where along an axis of another tensor an element is
/// read or written; its other coordinates are the index's own.
namespace rapt::kernels {

/// An index and the tensor that it points into: their strides along the index's shape. A stride
/// of the index may be 0, for places that share one number.
struct Places {
  Shape shape;
  int64_t axis;
  int64_t length;  // of the tensor's axis: numbers from 0 to below it point into it
  const int64_t* index;
  Strides index_strides;
  Strides target_strides;
};

/// Whether all numbers are in [0, length).
bool all_inside(const int64_t* index, int64_t count, int64_t length);

/// out[.., i, ..] = from[.., index[.., i, ..], ..].   out is dense, of the index's shape.
/// False if a number points outside: then out holds anything.
template <class T>
bool gather_along(const Places& places, const T* from, T* out);

enum class Combine { replace, add, multiply, larger, smaller };

/// to[.., index[.., i, ..], ..] = itself combined with source[.., i, ..], by rising i. The larger
/// and the smaller of NaN and a number is NaN.   source is dense, of the index's shape.
/// With a base, laid out as `to`, that is copied to `to` before: the index's lengths off the axis
/// must then be the target's, so that the copy can go piece by piece while it is in the cache.
/// False if a number points outside: then `to` holds anything.
template <class T>
bool scatter_along(const Places& places, Combine combine, const T* base, const T* source, T* to);

/// Where x is not 0: these places in ascending order to `places`, which has room for one more.
template <class T>
void places_of_nonzero(const T* x, int64_t n, int64_t* places);

}  // namespace rapt::kernels
