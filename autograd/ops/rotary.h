#pragma once

#include "rapt/autograd/tensor.h"

/// Positions.
namespace rapt {

struct RotaryOptions {
  int64_t offset = 0;   ///< the place of the first row
  double base = 10000;  ///< of the wavelengths, 2 pi * base^(2i / d)
};
/// Rotary position embedding (RoPE, arXiv:2104.09864, eq. 34), rotary.cpp: row t of x is turned by
/// the angle (offset + t) * base^(-2i / d) in the plane of its elements 2i and 2i + 1, so that the
/// product of a query and a key depends on the distance between them.
/// x [..., T, d], d even -> the same, with the axes in memory in the order of x's
Tensor rotary(const Tensor& x, const RotaryOptions& options = {});

}  // namespace rapt
