#pragma once

// Private to the ops: where a new tensor's axes lie in memory.

#include "rapt/autograd/tensor.h"

namespace rapt {

/// A tensor of that shape that is not set yet: its last axis dense, the others in memory in the
/// order of `like`'s (where the ranks agree). So heads that were split off as views are joined
/// again as views.
Tensor empty_like(const Tensor& like, const Shape& shape);

}  // namespace rapt
