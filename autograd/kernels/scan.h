#pragma once

#include "rapt/autograd/kernels/reduce.h"

/// What runs along `middle` of a dense [outer, middle, inner]: each result is a function of the
/// element there and of what came before, or behind it if `from_end`. f32 goes on in f64.
namespace rapt::kernels {

/// y[i] = y[i-1] + x[i].
template <class T>
void cumulative_sum(const Reduction& r, bool from_end, const T* x, T* y);

/// y[i] = y[i-1] * x[i].
template <class T>
void cumulative_product(const Reduction& r, bool from_end, const T* x, T* y);

/// y[i] = log(exp(y[i-1]) + exp(x[i])), without overflow.
template <class T>
void cumulative_logsumexp(const Reduction& r, const T* x, T* y);

/// y[i] = a[i] * y[i-1] + b[i].
template <class T>
void linear_recurrence(const Reduction& r, bool from_end, const T* a, const T* b, T* y);

}  // namespace rapt::kernels
