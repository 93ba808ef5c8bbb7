#pragma once

#include <cstdint>

/// Softmax and what is made of it, over the rows of a dense [rows, n] matrix.
namespace rapt::kernels {

/// What the softmax of each row is made of, as its backward needs it: exp(x - shift) * factor.
/// Apart, because shift - log(factor) has lost the digits of factor where shift is large.
template <class T>
struct Softmax {
  T* shift;   // [rows]: the row's maximum, or 0 where there is none
  T* factor;  // [rows]: 1 / sum(exp(x - shift)); 0 where the whole row is -inf
};

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

/// y[i] = log(sum(exp(row i))); -inf where the whole row is.
template <class T>
void logsumexp(int64_t rows, int64_t n, const T* x, T* y);
/// dx = g[i] exp(x) / sum(exp(x)); 0 where the whole row is -inf.
template <class T>
void logsumexp_backward(int64_t rows, int64_t n, const T* x, const T* g, T* dx);

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

}  // namespace rapt::kernels
