#include "rapt/autograd/kernels/reduce.h"

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/kernels/softmax.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/reduction.h"

namespace rapt {
namespace {

/// g * exp(x) / sum(exp(x)) over axes, in ops; 0 where all is -inf, whatever g.   g of x's shape
Tensor times_softmax(const Tensor& g, const Tensor& x, const Axes& axes) {
  if (x.numel() == 0) return x;  // there is no largest
  const Tensor top = max(x.detach(), axes, {.keepdim = true});
  const Tensor e = exp(x - masked_fill(top, logical_not(isfinite(top)), 0));
  const Tensor total = sum(e, axes, {.keepdim = true});
  const Tensor none = equal(total, zeros({}, x.dtype()));
  return masked_fill(g * (e / masked_fill(total, none, 1)), none, 0);
}

Tensor extreme(const char* op, bool largest, const Tensor& x, const Axes& given, bool keepdim) {
  require_numbers(op, "x", x);
  const Axes axes = resolve_axes(op, given, x.rank());
  if (count_over(x.shape(), axes) == 0) {
    fail(op, ": wanted at least one element along axes ", axes, "; got shape ", x.shape());
  }
  const Tensor y = reduced(x, axes, keepdim, x.dtype(), [&](auto& r, auto& dense, auto& out) {
    visit_number(x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::extreme(r, largest, dense.template data<T>(), fresh_data<T>(out));
    });
  });
  return join_graph(
      op, {x}, y,
      [x, axes](const Backward& b) -> Gradients {
        const Tensor hit = equal(x, restore(b.output(), x.shape(), axes)).to(x.dtype());
        return {restore(b.grad, x.shape(), axes) * (hit / sum(hit, axes, {.keepdim = true}))};
      },
      {.keep_output = true});
}

}  // namespace

Tensor sum(const Tensor& x) { return sum(x, all_axes("sum", x)); }

Tensor sum(const Tensor& x, const Axes& given, ReduceOptions options) {
  require_numbers("sum", "x", x);
  const Axes axes = resolve_axes("sum", given, x.rank());
  const Tensor y =
      reduced(x, axes, options.keepdim, x.dtype(), [&](auto& r, auto& dense, auto& out) {
        visit_number(x.dtype(), [&](auto zero) {
          using T = decltype(zero);
          kernels::sum(r, dense.template data<T>(), fresh_data<T>(out));
        });
      });
  return join_graph("sum", {x}, y, [shape = x.shape(), axes](const Backward& b) -> Gradients {
    return {restore(b.grad, shape, axes)};
  });
}

Tensor mean(const Tensor& x) { return mean(x, all_axes("mean", x)); }

Tensor mean(const Tensor& x, const Axes& given, ReduceOptions options) {
  require_float("mean", "x", x);
  const Axes axes = resolve_axes("mean", given, x.rank());
  return sum(x, axes, options) / static_cast<double>(count_over(x.shape(), axes));
}

Tensor max(const Tensor& x) { return max(x, all_axes("max", x)); }
Tensor max(const Tensor& x, const Axes& axes, ReduceOptions options) {
  return extreme("max", true, x, axes, options.keepdim);
}

Tensor min(const Tensor& x) { return min(x, all_axes("min", x)); }
Tensor min(const Tensor& x, const Axes& axes, ReduceOptions options) {
  return extreme("min", false, x, axes, options.keepdim);
}

Tensor logsumexp(const Tensor& x) { return logsumexp(x, all_axes("logsumexp", x)); }

Tensor logsumexp(const Tensor& x, const Axes& given, ReduceOptions options) {
  require_float("logsumexp", "x", x);
  const Axes axes = resolve_axes("logsumexp", given, x.rank());
  const Tensor y =
      reduced(x, axes, options.keepdim, x.dtype(), [&](auto& r, auto& dense, auto& out) {
        visit_float(x.dtype(), [&](auto zero) {
          using T = decltype(zero);
          kernels::logsumexp(r, dense.template data<T>(), fresh_data<T>(out));
        });
      });
  return join_graph("logsumexp", {x}, y, [x, axes](const Backward& b) -> Gradients {
    if (b.create_graph) return {times_softmax(restore(b.grad, x.shape(), axes), x, axes)};
    const ReductionPlan p = plan_reduction(x, axes);
    const Tensor dx = empty(p.x.shape(), p.x.dtype());
    Axes order;  // of the axes that are kept, among themselves
    for (const int64_t axis : p.kept_axes) {
      int64_t place = 0;
      for (const int64_t other : p.kept_axes) place += other < axis;
      order.push_back(place);
    }
    const Tensor kept = reshape(b.grad, reduced_shape(x.shape(), axes, false));
    const Tensor g = permute(kept, order).contiguous();
    visit_float(x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::logsumexp_backward(p.reduction, p.x.data<T>(), g.data<T>(), fresh_data<T>(dx));
    });
    return {p.back(dx)};
  });
}

}  // namespace rapt
