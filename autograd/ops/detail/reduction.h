#pragma once

// Private to the ops: how a tensor is read by what works along some of its axes.

#include "rapt/autograd/function_ref.h"
#include "rapt/autograd/kernels/reduce.h"
#include "rapt/autograd/tensor.h"

namespace rapt {

/// A tensor laid out densely so that the axes along which it is worked on stand together: as it
/// lies in memory if it can be, in whatever order its axes are.
struct ReductionPlan {
  Tensor x;  // outside the graph
  kernels::Reduction reduction;
  Shape kept;      // the lengths of the other axes, in the order in which a reduction leaves them,
  Axes kept_axes;  // and which axes of the given tensor those are
  Axes order;      // the axes of the given tensor as x has them

  /// A tensor of the given shape as x has its axes, dense; and back, as a view.
  Tensor laid_out(const Tensor& like_given) const;
  Tensor back(const Tensor& laid_out) const;
};

ReductionPlan plan_reduction(const Tensor& x, const Axes& axes);

Axes all_axes(const char* op, const Tensor& x);
int64_t count_over(const Shape& shape, const Axes& axes);

/// run(reduction, dense x, result) over the axes, as a dense tensor of the reduced shape.
Tensor reduced(const Tensor& x, const Axes& axes, bool keepdim, Dtype dtype,
               FunctionRef<void(const kernels::Reduction&, const Tensor&, const Tensor&)> run);

/// A reduction's result, or its gradient, stretched back over the axes it lost.
Tensor restore(const Tensor& reduced, const Shape& shape, const Axes& axes);

}  // namespace rapt
