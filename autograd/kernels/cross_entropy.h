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
