#pragma once

#include <cstdint>

#include "rapt/autograd/shape.h"

namespace rapt::kernels {

/// Where the elements of a row lie that are turned together: the i-th pair is at i * step and
/// i * step + apart.
struct RotaryPlan {
  int64_t pairs, step, apart;
};

/// The cosines and sines of the angles, [rows, pairs] each; row_strides along the rows of x, in
/// rows of the tables.
template <class T>
struct RotaryTables {
  const T *cosine, *sine;
  Strides row_strides;
};

/// out = x [..., T, d] with each pair (a, b) of a row turned: (a cos - b sin, a sin + b cos). What
/// is in no pair stays. Strides are in elements; the last axis of out is dense.
template <class T>
void rotate(const Shape& shape, const T* x, const Strides& x_strides, const RotaryPlan& plan,
            const RotaryTables<T>& tables, T* out, const Strides& out_strides);

}  // namespace rapt::kernels
