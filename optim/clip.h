#pragma once

#include "rapt/autograd/named_tensors.h"

namespace rapt::optim {

/// The common Euclidean norm of all gradients: summed in f64, the same bits for any number of
/// threads. Parameters without a gradient do not count.
double grad_norm(const NamedTensors& parameters);

/// What gradients of that norm are scaled by so that it becomes at most max_norm
/// (arXiv:1211.5063): min(1, max_norm / (norm + 1e-6)), as PyTorch; 1 if the norm is not finite.
double clip_factor(double norm, double max_norm);

/// Scales all gradients in place by clip_factor. Returns grad_norm from before. When that is not
/// finite, the gradients are left as they are. Optimizer::step_clipped does it in one pass with the
/// step.
double clip_grad_norm(const NamedTensors& parameters, double max_norm);

/// Holds every element of every gradient inside [-limit, limit]. NaN stays NaN.
void clip_grad_value(const NamedTensors& parameters, double limit);

}  // namespace rapt::optim
