#pragma once

#include <cstdint>

#include "rapt/autograd/shape.h"

namespace rapt::kernels {

/// out = x [..., T, d] with elements 2i and 2i + 1 of row t turned by the angle whose cosine and
/// sine are at [t, i] of the tables [T, d / 2]. Strides are in elements; the last axis of out is
/// dense.
template <class T>
void rotate(const Shape& shape, const T* x, const Strides& x_strides, const T* cosine,
            const T* sine, T* out, const Strides& out_strides);

}  // namespace rapt::kernels
