#include "rapt/autograd/ops/detail/reduction.h"

#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/layout.h"

namespace rapt {
namespace {

/// The order of axes that puts those last.
Axes axes_last(int64_t rank, const Axes& axes) {
  Axes order;
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (!axes.contains(axis)) order.push_back(axis);
  }
  for (const int64_t axis : axes) order.push_back(axis);
  return order;
}

/// The plan for an x whose axes lie in memory in that order.
ReductionPlan plan_in_order(const Tensor& x, const Axes& axes, const Axes& order) {
  ReductionPlan p{permute(x, order).contiguous(), {1, 1, 1}, {}, {}, order};
  int64_t seen = 0;  // reduced axes so far
  for (const int64_t axis : order) {
    const int64_t length = x.shape()[axis];
    if (axes.contains(axis)) {
      p.reduction.middle *= length;
      ++seen;
      continue;
    }
    (seen == 0 ? p.reduction.outer : p.reduction.inner) *= length;
    p.kept.push_back(length);
    p.kept_axes.push_back(axis);
  }
  return p;
}

/// True when the reduced axes are neighbours in that order.
bool stand_together(const Axes& order, const Axes& axes) {
  int64_t runs = 0;
  for (int64_t i = 0; i < order.size(); ++i) {
    runs += axes.contains(order[i]) && (i == 0 || !axes.contains(order[i - 1]));
  }
  return runs <= 1;
}

}  // namespace

ReductionPlan plan_reduction(const Tensor& x, const Axes& axes) {
  const NoGrad no_grad;
  Axes order;
  for (int64_t axis = 0; axis < x.rank(); ++axis) order.push_back(axis);
  if (axes.empty()) {
    ReductionPlan p = plan_in_order(x, axes, order);
    p.reduction = {x.numel(), 1, 1};
    return p;
  }
  if (!x.is_contiguous()) {
    const Axes in_memory = axes_in_memory(x);
    if (permute(x, in_memory).is_contiguous()) order = in_memory;
  }
  return plan_in_order(x, axes, stand_together(order, axes) ? order : axes_last(x.rank(), axes));
}

Tensor ReductionPlan::laid_out(const Tensor& like_given) const {
  const NoGrad no_grad;
  return permute(like_given, order).contiguous();
}

Tensor ReductionPlan::back(const Tensor& laid_out) const {
  const NoGrad no_grad;
  Axes inverse = order;
  for (int64_t i = 0; i < order.size(); ++i) inverse[order[i]] = i;
  return permute(laid_out, inverse);
}

Axes all_axes(const char* op, const Tensor& x) {
  require_defined(op, "x", x);
  Axes axes;
  for (int64_t axis = 0; axis < x.rank(); ++axis) axes.push_back(axis);
  return axes;
}

Tensor reduced(const Tensor& x, const Axes& axes, bool keepdim, Dtype dtype,
               FunctionRef<void(const kernels::Reduction&, const Tensor&, const Tensor&)> run) {
  const NoGrad no_grad;
  const ReductionPlan p = plan_reduction(x, axes);
  Tensor y = empty(p.kept, dtype);
  run(p.reduction, p.x, y);
  Axes back;  // where each axis that is kept lies in y
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    for (int64_t i = 0; i < p.kept_axes.size(); ++i) {
      if (p.kept_axes[i] == axis) back.push_back(i);
    }
  }
  y = permute(y, back).contiguous();
  const Shape shape = reduced_shape(x.shape(), axes, keepdim);
  return make_view(y, shape, row_major(shape));
}

Tensor restore(const Tensor& reduced, const Shape& shape, const Axes& axes) {
  return expand(reshape(reduced, reduced_shape(shape, axes, true)), shape);
}

int64_t count_over(const Shape& shape, const Axes& axes) {
  int64_t count = 1;
  for (const int64_t axis : axes) count *= shape[axis];
  return count;
}

}  // namespace rapt
