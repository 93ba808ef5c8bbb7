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

/// True when no element is inf or NaN.
bool all_finite(const Tensor& x);

/// [batch..., rows, keys]: the weights of a block, before dropout; all that counts for its queries
/// has to be in it. `in`: q, k and what is added, as for the whole attention (v in between is not
/// looked at). finite: all numbers are, so that products serve.
Tensor attention_weights_in_ops(const AttentionProblem& p, const AttentionProblem::Block& block,
                                const Tensors& in, bool finite);

/// [batch..., Tq, dv]. `in`: q, k, v and what is added. Some queries at a time, each computed again
/// for its gradient, where all of them would take much memory: it grows with the lengths, not with
/// their product.
Tensor attention_in_ops(const std::shared_ptr<const AttentionProblem>& p, const Tensors& in,
                        const WeightDropout& dropout);

}  // namespace rapt
