#pragma once

#include <cstdint>

#include "rapt/autograd/kernels/softmax.h"

/// Cross entropy over the rows of a dense [rows, classes] matrix.
namespace rapt::kernels {

/// How a class counts as a target: see ClassificationOptions.
template <class T>
struct ClassTargets {
  const int64_t* targets;
  int64_t ignore_index;
  double label_smoothing;
  const T* class_weights;
};
/// The loss of each row: 0 where its target is ignored.
template <class T>
void cross_entropy(int64_t rows, int64_t classes, const T* logits, const ClassTargets<T>& t,
                   Softmax<T> softmax, double* losses);
/// dlogits for the gradient of each loss: g[0], g[g_stride], ...
template <class T>
void cross_entropy_backward(int64_t rows, int64_t classes, const T* logits,
                            const ClassTargets<T>& t, Softmax<const T> softmax, const T* g,
                            int64_t g_stride, T* dlogits);

}  // namespace rapt::kernels
