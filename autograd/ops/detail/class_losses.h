#pragma once

// Private to the ops: losses of class numbers, under the name of the function that was called.

#include "rapt/autograd/ops/loss.h"

namespace rapt {

struct Losses {
  Tensor values;  // their sum, or one by one
  double count;
};

/// nll_loss_each, and what its sum is to be divided by.
Losses nll_losses(const char* op, const Tensor& log_probabilities, const Tensor& targets,
                  const ClassificationOptions& options);

/// count_targets, after the checks of targets and options: scores [..., C], targets i64 [...].
double checked_count(const char* op, const Shape& scores, Dtype dtype, const Tensor& targets,
                     const ClassificationOptions& options);

}  // namespace rapt
