#pragma once

#include "rapt/autograd/kernels/reduce.h"

/// The order of elements along `middle` of a dense [outer, middle, inner]: NaN is larger than any
/// number, -0 equals 0, and equals are in the order of their places.
namespace rapt::kernels {

/// The first k in that order, or in the opposite one (where equals keep theirs): values and places,
/// both [outer, k, inner].
template <class T>
void sort(const Reduction& r, bool descending, int64_t k, const T* x, T* values, int64_t* places);

/// The k-th in that order, from 0 on: [outer, inner].
template <class T>
void nth(const Reduction& r, int64_t k, const T* x, T* values, int64_t* places);

}  // namespace rapt::kernels
