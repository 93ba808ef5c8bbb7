#pragma once

#include "rapt/autograd/random.h"

/// Softmax, norms and dropout.
namespace rapt {

/// exp(x) / sum(exp(x)) along an axis. Where everything is -inf (all masked) the result is 0, and
/// so is the gradient.
Tensor softmax(const Tensor& x, Int axis = -1);
/// log(softmax(x)) along an axis. Where everything is -inf so is the result, and the gradient is 0.
Tensor log_softmax(const Tensor& x, Int axis = -1);

struct LayerNormOptions {
  double eps = 1e-5;
  int64_t axes = 1;  ///< over the last axes, so many of them
};
/// (x - mean) / sqrt(var + eps) * weight + bias over the last axis, or the last several
/// (arXiv:1607.06450), var with correction 0.   x [..., d], weight [d], bias [d]: of the shape of
/// those axes; each of the two may be undefined.
Tensor layer_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {},
                  LayerNormOptions options = {});
/// x / sqrt(mean(x^2) + eps) * weight over the same axes (arXiv:1910.07467).   weight [d] or
/// undefined
Tensor rms_norm(const Tensor& x, const Tensor& weight = {}, LayerNormOptions options = {});

struct GroupNormOptions {
  double eps = 1e-5;
};
/// Layer norm over so many groups of the channels, each with all that lies behind, then times
/// weight plus bias by channel (arXiv:1803.08494).   x [N, channels, ...]; weight and bias
/// [channels] or undefined
Tensor group_norm(const Tensor& x, Int groups, const Tensor& weight = {}, const Tensor& bias = {},
                  GroupNormOptions options = {});

/// Each element set to 0 with probability p, the others divided by 1 - p (arXiv:1207.0580). The
/// mask is a function of rng's state, which advances; it is not stored. 0 <= p < 1.
Tensor dropout(const Tensor& x, double p, Rng& rng);

}  // namespace rapt
