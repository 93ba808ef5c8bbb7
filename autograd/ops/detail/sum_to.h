#pragma once

// Private to rapt's own sources: gradients of what was broadcast.

#include "rapt/autograd/tensor.h"

namespace rapt {

/// The gradient summed back to `shape`, from which its own shape was broadcast. If `into` is
/// defined, it is added there, and that is the result. A sum over tokens, that is over the first
/// axes, is the left fold of kernels/fold.h.
Tensor sum_to(const Tensor& gradient, const Shape& shape, const Tensor& into = {});

/// Sets the elements that `to` shows, or adds to them, outside the graph and without a new version:
/// for gradients.
void copy_elements(const Tensor& to, const Tensor& from);
void add_elements(const Tensor& to, const Tensor& from);

}  // namespace rapt
