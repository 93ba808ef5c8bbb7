#pragma once

// Private to the ops: elements picked out along an axis.

#include "rapt/autograd/ops/reduce.h"

namespace rapt {

/// Values taken from x along an axis, and where from (indices of their shape), as an op: the
/// gradient goes back there.
ValuesAndIndices taken(const char* op, const Tensor& x, int64_t axis, const Tensor& values,
                       const Tensor& indices);
/// The same of one element for each place, whose axis vanishes without keepdim.
ValuesAndIndices taken_one(const char* op, const Tensor& x, int64_t axis, const Tensor& indices,
                           bool keepdim);

}  // namespace rapt
