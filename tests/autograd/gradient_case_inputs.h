#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "gradient_cases.h"
#include "rapt/autograd/random.h"

namespace rapt::tests {

using In = const Tensors&;
using Cases = std::vector<GradientCase>;

inline constexpr Dtype f64 = Dtype::f64;

// Inputs. `seed` makes two inputs of one case different.

inline Tensor normal(const Shape& shape, uint64_t seed = 1) {
  return Rng(seed).normal(shape, 0, 1, f64);
}

inline Tensor positive(const Shape& shape, uint64_t seed = 1) {
  return Rng(seed).uniform(shape, 0.5, 2, f64);
}

// In random order, 0.3 apart from one another and at least 0.1 from 0: no ties, and no kink near.
// Spreads of two seeds keep 0.1 apart from each other.
inline Tensor spread(const Shape& shape, uint64_t seed = 1) {
  const int64_t n = shape.numel();
  const Tensor order = reshape(Rng(seed).permutation(n), shape).to(f64);
  const double low = -0.3 * static_cast<double>(n / 2);
  return order * 0.3 + (low + 0.1 * static_cast<double>(seed % 3));
}

inline Tensor ids(std::initializer_list<int64_t> values, const Shape& shape) {
  return from_values(std::vector<int64_t>(values), shape);
}

inline Tensor mask(const Shape& shape, uint64_t seed = 1) {
  return Rng(seed).bernoulli(0.6, shape);
}

}  // namespace rapt::tests
