#pragma once

#include "rapt/nn/module.h"

namespace rapt::nn {

struct LinearOptions {
  bool bias = true;
};

/// y = x W^T + b.   x [..., in] -> [..., out]
///
/// weight [out, in] and bias [out] start as in PyTorch: uniform in +-1 / sqrt(in).
class Linear : public Module {
 public:
  Linear(int64_t in, int64_t out, Rng& rng, LinearOptions options = {});
  Tensor operator()(const Tensor& x) const;

  Tensor weight, bias;  ///< bias is undefined when there is none
};

}  // namespace rapt::nn
