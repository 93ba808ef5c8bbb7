#pragma once

#include <cstdint>

/// Kernels over the rows of a dense [rows, n] matrix. Optional pointers may be null.
namespace rapt::kernels {

/// y = (x - mean) rstd weight + bias; mean and rstd, one per row, are kept for the backward.
template <class T>
void layer_norm(int64_t rows, int64_t n, const T* x, const T* weight, const T* bias, double eps,
                T* y, T* mean, T* rstd);
/// A gradient to be set, or to be added to what it holds; or not wanted (null).
template <class T>
struct Gradient {
  T* data = nullptr;
  bool adds = false;
};

/// dx, dweight and dbias, those that are wanted.
template <class T>
void layer_norm_backward(int64_t rows, int64_t n, const T* g, const T* x, const T* weight,
                         const T* mean, const T* rstd, Gradient<T> dx, Gradient<T> dweight,
                         Gradient<T> dbias);

/// y = x rstd weight, rstd = 1 / sqrt(mean(x^2) + eps), one per row.
template <class T>
void rms_norm(int64_t rows, int64_t n, const T* x, const T* weight, double eps, T* y, T* rstd);
template <class T>
void rms_norm_backward(int64_t rows, int64_t n, const T* g, const T* x, const T* weight,
                       const T* rstd, Gradient<T> dx, Gradient<T> dweight);

}  // namespace rapt::kernels
