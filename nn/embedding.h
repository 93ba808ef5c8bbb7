#pragma once

#include "rapt/nn/module.h"

namespace rapt::nn {

/// A vector for each of `count` ids.   ids i64 [...] in [0, count) -> [..., width]
///
/// weight [count, width] starts as in PyTorch: normal, with standard deviation 1. An id outside the
/// range throws, naming it.
class Embedding : public Module {
 public:
  Embedding(int64_t count, int64_t width, Rng& rng);
  Tensor operator()(const Tensor& ids) const;

  Tensor weight;
};

}  // namespace rapt::nn
