#pragma once

#include "rapt/autograd/kernels/reduce.h"

/// Sums and products of functions of elements, over `middle`. f32 is added up in f64.
namespace rapt::kernels {

/// The sum of |x|.
template <class T>
void norm_1(const Reduction& r, const T* x, T* out);
/// sqrt of the sum of x^2, without overflow on the way.
template <class T>
void norm_2(const Reduction& r, const T* x, T* out);
/// The sum of (x - mean)^2, over `divisor`.
template <class T>
void variance(const Reduction& r, double divisor, const T* x, T* out);
/// i64 too.
template <class T>
void product(const Reduction& r, const T* x, T* out);
/// How many are true.
void count_true(const Reduction& r, const bool* x, int64_t* out);

}  // namespace rapt::kernels
