#include "rapt/autograd/ops/scan.h"

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/kernels/math.h"
#include "rapt/autograd/kernels/scan.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/reduction.h"
#include "rapt/autograd/ops/detail/scan.h"

namespace rapt {

namespace {

From other(From from) { return from == From::begin ? From::end : From::begin; }

/// run(reduction, dense x, result) along an axis.
template <class Run>
Tensor scanned(const Tensor& x, int64_t axis, Run run) {
  const NoGrad no_grad;
  const ReductionPlan p = plan_reduction(x, {axis});
  const Tensor y = empty(p.x.shape(), x.dtype());
  run(p, y);
  return p.back(y);
}

int64_t checked_axis(const char* op, const Tensor& x, Int axis) {
  require_numbers(op, "x", x);
  return resolve_axis(op, axis, x.rank());
}

Tensor running_sum(const Tensor& x, int64_t axis, From from) {
  const Tensor y = scanned(x, axis, [&](const ReductionPlan& p, const Tensor& out) {
    visit_number(x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::cumulative_sum(p.reduction, from == From::end, p.x.data<T>(), fresh_data<T>(out));
    });
  });
  return join_graph("cumsum", {x}, y, [axis, from](const Backward& b) -> Gradients {
    return {running_sum(b.grad, axis, other(from))};
  });
}

}  // namespace

Tensor before(const Tensor& x, int64_t axis, From from, double fill) {
  const int64_t n = x.size(axis);
  if (n == 0) return x;
  Shape one = x.shape();
  one[axis] = 1;
  const Tensor first = full(one, fill, x.dtype());
  return from == From::begin ? concat({first, slice(x, axis, 0, n - 1)}, axis)
                             : concat({slice(x, axis, 1, n), first}, axis);
}

Tensor linear_recurrence(const Tensor& a, const Tensor& b, int64_t axis, From from) {
  const Tensor y = scanned(a, axis, [&](const ReductionPlan& p, const Tensor& out) {
    const Tensor added = p.laid_out(b);
    visit_float(a.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::linear_recurrence(p.reduction, from == From::end, p.x.data<T>(), added.data<T>(),
                                 fresh_data<T>(out));
    });
  });
  return join_graph("linear_recurrence", {a, b}, y,
                    [a, axis, from](const Backward& g) -> Gradients {
                      // What y[i] gives to y[i+1] is multiplied by a[i+1].
                      const Tensor db = linear_recurrence(before(a, axis, other(from), 0), g.grad,
                                                          axis, other(from));
                      return {g.needs(0) ? db * before(g.output(), axis, from, 0) : Tensor(), db};
                    },
                    {.keep_output = true});
}

Tensor running_product(const Tensor& x, int64_t axis, From from) {
  const Tensor y = scanned(x, axis, [&](const ReductionPlan& p, const Tensor& out) {
    visit_number(x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::cumulative_product(p.reduction, from == From::end, p.x.data<T>(),
                                  fresh_data<T>(out));
    });
  });
  return join_graph("cumprod", {x}, y,
                    [x, axis, from](const Backward& b) -> Gradients {
                      // dx[k] = y[k-1] r[k], r[k] = g[k] + x[k+1] r[k+1]
                      const Tensor r = linear_recurrence(before(x, axis, other(from), 0), b.grad,
                                                         axis, other(from));
                      return {before(b.output(), axis, from, 1) * r};
                    },
                    {.keep_output = true});
}

Tensor cumsum(const Tensor& x, Int axis) {
  return running_sum(x, checked_axis("cumsum", x, axis), From::begin);
}

Tensor cumprod(const Tensor& x, Int axis) {
  return running_product(x, checked_axis("cumprod", x, axis), From::begin);
}

Tensor logcumsumexp(const Tensor& x, Int given) {
  require_float("logcumsumexp", "x", x);
  const int64_t axis = checked_axis("logcumsumexp", x, given);
  const Tensor y = scanned(x, axis, [&](const ReductionPlan& p, const Tensor& out) {
    visit_float(x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::cumulative_logsumexp(p.reduction, p.x.data<T>(), fresh_data<T>(out));
    });
  });
  return join_graph("logcumsumexp", {x}, y,
                    [x, axis](const Backward& b) -> Gradients {
                      // dx[k] = exp(x[k] - y[k]) r[k], r[k] = g[k] + exp(y[k] - y[k+1]) r[k+1]. No
                      // factor is above 1, as y does not fall. Where y is -inf, so are x and all y
                      // before it.
                      const Tensor& out = b.output();
                      const Tensor top = masked_fill(out, logical_not(isfinite(out)), 0);
                      const Tensor shrink =
                          exp(out - before(top, axis, From::end, kernels::infinity<double>));
                      const Tensor r = linear_recurrence(shrink, b.grad, axis, From::end);
                      return {exp(x - top) * r};
                    },
                    {.keep_output = true});
}

}  // namespace rapt
