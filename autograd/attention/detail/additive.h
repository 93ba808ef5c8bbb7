#pragma once

// Private to attention: the scores of Score::additive.

#include "rapt/autograd/tensor.h"

namespace rapt {

/// weight . tanh(q + k) for each query and key: [..., Tq, Tk]. 0 where masked, whatever lies there.
/// q [..., Tq, d], k [..., Tk, d], weight [..., d]; masked b8, broadcast to the result, or
/// undefined
Tensor additive_scores(const char* op, const Tensor& q, const Tensor& k, const Tensor& weight,
                       const Tensor& masked);

}  // namespace rapt
