#pragma once

#include "rapt/autograd/autograd.h"

/// What tests make their inputs of.
namespace rapt::tests {

/// Draws of f64 from the standard normal distribution.
inline Tensor normal(const Shape& shape, uint64_t seed = 1) {
  return Rng(seed).normal(shape, 0, 1, Dtype::f64);
}

/// A tensor of these values that asks for a gradient.
inline Tensor leaf(const NestedNumbers& values, Dtype dtype = Dtype::f64) {
  return tensor(values, dtype).set_requires_grad();
}
/// Draws that do.
inline Tensor normal_leaf(const Shape& shape, uint64_t seed = 1) {
  return normal(shape, seed).set_requires_grad();
}

}  // namespace rapt::tests
