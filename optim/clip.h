#pragma once

#include "rapt/autograd/tensor.h"

namespace rapt::optim {

/// Scales all gradients in place by one factor, so that their common Euclidean norm is at most
/// max_norm (arXiv:1211.5063; max_norm / (norm + 1e-6), as PyTorch). Returns the norm from before:
/// summed in f64, the same bits for any number of threads. A norm that is not finite is returned
/// too, and the gradients are then left as they are. Parameters without a gradient do not count.
double clip_grad_norm(const NamedTensors& parameters, double max_norm);

/// Holds every element of every gradient inside [-limit, limit]. NaN stays NaN.
void clip_grad_value(const NamedTensors& parameters, double limit);

}  // namespace rapt::optim
