#pragma once

#include <cstdint>
#include <string>

#include "rapt/autograd/function_ref.h"
#include "rapt/autograd/tensor.h"

namespace rapt {

struct GradientCheckOptions {
  int order = 2;               ///< 1: the gradient; 2: the gradient of the gradient as well
  double step = 1e-3;          ///< of the five-point central difference, absolute
  double relative = 1e-6;      ///< an entry passes within absolute + relative * |numeric|, and what
  double absolute = 1e-8;      ///< the rounding of f's value may add: 1e-15 * |f| / step
  bool non_contiguous = true;  ///< check again with every input as a strided view
  uint64_t seed = 0;           ///< of the cotangents
};

/// What check_gradients found. Converts to true when everything agreed.
struct GradientReport {
  bool ok = true;
  double worst = 0;  ///< the largest difference seen, relative to 1 + |numeric|
  std::string text;  ///< which derivative, input and index disagreed, and both values
  explicit operator bool() const { return ok; }
};

/// Compares the gradients that the graph gives for f with finite differences of f.
///
/// f takes tensors and returns one or several; the inputs are f64 leaves' values (f32 is refused:
/// its rounding hides errors; i64 and b8 inputs are passed through as constants). For each output
/// the full Jacobian is checked entry by entry, then once more contracted with a random cotangent;
/// f's value and gradients are computed twice and must agree to the bit; NaN fails. With order 2
/// the same is done to the gradient as a function of the inputs and the cotangent.
///
/// Keep the inputs small (each element costs four calls of f), and away from kinks (a relu at 0)
/// by more than 2 * step. f must be a pure function: draw random numbers outside it.
GradientReport check_gradients(FunctionRef<Tensors(const Tensors&)> f, const Tensors& inputs,
                               const GradientCheckOptions& options = {});
/// For a function with one output.
GradientReport check_gradients(FunctionRef<Tensor(const Tensors&)> f, const Tensors& inputs,
                               const GradientCheckOptions& options = {});

}  // namespace rapt
