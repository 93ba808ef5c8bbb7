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

  Tensor weight;
};

/// [length, width]: sin(t / 10000^(2i / width)) at [t, 2i] and the cosine at [t, 2i + 1]
/// (arXiv:1706.03762, section 3.5). Constant.
Tensor sinusoidal_positions(int64_t length, int64_t width, Dtype dtype = Dtype::f32);

struct RotaryOptions {
  int64_t offset = 0;   ///< the place of the first row
  double base = 10000;  ///< of the wavelengths, 2 pi * base^(2i / d)
};

/// Rotary position embedding (RoPE, arXiv:2104.09864, eq. 34): row t of x is turned by the angle
/// t * base^(-2i / d) in the plane of its elements 2i and 2i + 1, so that the product of a query
/// and a key depends on the distance between them.   x [..., T, d], d even -> the same
Tensor rotary(const Tensor& x, const RotaryOptions& options = {});

}  // namespace rapt::nn
