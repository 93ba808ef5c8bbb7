#pragma once

#include <cstdint>

#include "rapt/autograd/kernels/softmax.h"
#include "rapt/autograd/philox_key.h"

/// Kernels over the rows of a dense [rows, n] matrix. Optional pointers may be null.
namespace rapt::kernels {

/// y = exp(x) / sum(exp(x)); 0 where the whole row is -inf.
template <class T>
void softmax(int64_t rows, int64_t n, const T* x, T* y);
/// dx = y (g - sum(g y)).
template <class T>
void softmax_backward(int64_t rows, int64_t n, const T* y, const T* g, T* dx);

/// y = x - log(sum(exp(x))); -inf where the whole row is.
template <class T>
void log_softmax(int64_t rows, int64_t n, const T* x, T* y);
/// dx = g - exp(y) sum(g); 0 where the whole row is -inf.
template <class T>
void log_softmax_backward(int64_t rows, int64_t n, const T* y, const T* g, T* dx);

/// y = (x - mean) rstd gain + bias; mean and rstd, one per row, are kept for the backward.
template <class T>
void layer_norm(int64_t rows, int64_t n, const T* x, const T* gain, const T* bias, double eps, T* y,
                T* mean, T* rstd);
/// A gradient to be set, or to be added to what it holds; or not wanted (null).
template <class T>
struct Gradient {
  T* data = nullptr;
  bool adds = false;
};

/// dx, dgain and dbias, those that are wanted.
template <class T>
void layer_norm_backward(int64_t rows, int64_t n, const T* g, const T* x, const T* gain,
                         const T* mean, const T* rstd, Gradient<T> dx, Gradient<T> dgain,
                         Gradient<T> dbias);

/// y = x rstd gain, rstd = 1 / sqrt(mean(x^2) + eps), one per row.
template <class T>
void rms_norm(int64_t rows, int64_t n, const T* x, const T* gain, double eps, T* y, T* rstd);
template <class T>
void rms_norm_backward(int64_t rows, int64_t n, const T* g, const T* x, const T* gain,
                       const T* rstd, Gradient<T> dx, Gradient<T> dgain);

/// y[i] = x[i] / (1 - p), or 0 with probability p: the i-th draw after `at` decides.
template <class T>
void dropout(int64_t count, const T* x, double p, PhiloxKey at, T* y);
/// Blocks of draws that `count` elements take.
int64_t dropout_blocks(int64_t count);

/// How a class counts as a target: see ClassificationOptions.
template <class T>
struct ClassTargets {
  const int64_t* targets;
  int64_t ignore_index;
  double label_smoothing;
  const T* class_weights;
};
/// The sum of the losses of all rows.
template <class T>
double cross_entropy(int64_t rows, int64_t classes, const T* logits, const ClassTargets<T>& t,
                     Softmax<T> softmax);
/// dlogits for the sum's gradient g.
template <class T>
void cross_entropy_backward(int64_t rows, int64_t classes, const T* logits,
                            const ClassTargets<T>& t, Softmax<const T> softmax, double g,
                            T* dlogits);

/// y[i] = log(sum(exp(row i))); -inf where the whole row is.
template <class T>
void logsumexp(int64_t rows, int64_t n, const T* x, T* y);
/// dx = g[i] exp(x) / sum(exp(x)); 0 where the whole row is -inf.
template <class T>
void logsumexp_backward(int64_t rows, int64_t n, const T* x, const T* g, T* dx);

}  // namespace rapt::kernels
