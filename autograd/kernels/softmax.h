#pragma once

#include <cstdint>

#include "rapt/autograd/kernels/reduce.h"

/// Softmax and what is made of it, along the middle of a dense [outer, middle, inner] tensor.
/// Whether what is summed lies in a row or in a column, the order is the same,
/// so that the bits are.
namespace rapt::kernels {

/// What the softmax of each row is made of, as its backward needs it: exp(x - shift) * factor.
/// Apart, because shift - log(factor) has lost the digits of factor where shift is large.
template <class T>
struct Softmax {
  T* shift;   // [rows]: the row's maximum, or 0 where there is none
  T* factor;  // [rows]: 1 / sum(exp(x - shift)); 0 where the whole row is -inf
};

/// y = exp(x) / sum(exp(x)); 0 where all of x is -inf.
template <class T>
void softmax(const Reduction& r, const T* x, T* y);
/// dx = y (g - sum(g y)).
template <class T>
void softmax_backward(const Reduction& r, const T* y, const T* g, T* dx);

/// y = x - log(sum(exp(x))); -inf where all of x is.
template <class T>
void log_softmax(const Reduction& r, const T* x, T* y);
/// dx = g - exp(y) sum(g); 0 where all of x is -inf.
template <class T>
void log_softmax_backward(const Reduction& r, const T* y, const T* g, T* dx);

/// y [outer, inner] = log(sum(exp(x))); -inf where all of x is.
template <class T>
void logsumexp(const Reduction& r, const T* x, T* y);
/// dx = g exp(x) / sum(exp(x)), g [outer, inner]; 0 where all of x is -inf.
template <class T>
void logsumexp_backward(const Reduction& r, const T* x, const T* g, T* dx);

}  // namespace rapt::kernels
