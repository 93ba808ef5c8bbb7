#pragma once

#include "rapt/autograd/tensor.h"

/// Positions.
namespace rapt {

/// Which two elements of a row are turned together.
enum class RotaryPairs {
  adjacent,  ///< 2i and 2i + 1: the paper, GPT-J, Llama's own weights
  halves,    ///< i and i + d / 2: GPT-NeoX, and Hugging Face's form of Llama
};

struct RotaryOptions {
  int64_t offset = 0;     ///< the place of the first row
  double base = 10000;    ///< of the wavelengths, 2 pi * base^(2i / d). > 0
  Tensor positions = {};  ///< the places of the rows, instead: i64, broadcast to [..., T]
  RotaryPairs pairs = RotaryPairs::adjacent;
  int64_t width = 0;  ///< the first columns that are turned, an even number; 0: all of them
  double scale = 1;   ///< of the places: 1 / f for a context f times as long (arXiv:2306.15595)
  /// For a context so many times as long, with short wavelengths as they are: the base becomes
  /// base * factor^(width / (width - 2)) (NTK-aware scaling; arXiv:2309.00071, section 3.1). >= 1
  double ntk_factor = 1;
};
/// Rotary position embedding (RoPE, arXiv:2104.09864, eq. 34), rotary.cpp: row t of x is turned by
/// the angle (offset + t) * scale * base^(-2i / width) in the plane of its i-th pair of elements,
/// so that the product of a query and a key depends on the distance between them.
///
/// x [..., T, d] -> the same, with the axes in memory in the order of x's
Tensor rotary(const Tensor& x, const RotaryOptions& options = {});

}  // namespace rapt
