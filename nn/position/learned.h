#pragma once

#include "rapt/nn/module.h"

namespace rapt::nn {

/// One trained vector for each place.   length <= context -> [length, width]
///
/// weight [context, width] starts normal, with standard deviation 0.02, as in GPT-2.
class LearnedPositions : public Module {
 public:
  LearnedPositions(int64_t context, int64_t width, Rng& rng);
  /// The vectors of the places 0 ... length - 1. Throws when length is above the context.
  Tensor operator()(int64_t length) const;
  /// The vectors of those places.   i64 [...], each in [0, context) -> [..., width]
  Tensor operator()(const Tensor& places) const;

  Tensor weight;
};

}  // namespace rapt::nn
