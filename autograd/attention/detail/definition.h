#pragma once

// Private to attention: what it means, in plain ops.

#include "rapt/autograd/attention/detail/problem.h"
#include "rapt/autograd/philox_key.h"

namespace rapt {

/// What attention drops its weights by.
struct WeightDropout {
  double p = 0;
  PhiloxKey draws = {};
};

/// [batch..., Tq, Tk]: the weights before dropout. `in`: the problem's inputs (v is not looked at).
Tensor attention_weights_in_ops(const AttentionProblem& p, const Tensors& in);

/// [batch..., Tq, dv]. `in`: the problem's inputs. Some queries at a time, each computed again
/// for its gradient, where all of them would take much memory: it grows with the lengths, not with
/// their product.
Tensor attention_in_ops(const std::shared_ptr<const AttentionProblem>& p, const Tensors& in,
                        const WeightDropout& dropout);

}  // namespace rapt
