#include "rapt/autograd/kernels/moments.h"

#include <algorithm>
#include <cmath>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/kernels/math.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/reduction.h"
#include "rapt/autograd/ops/detail/scan.h"

namespace rapt {

namespace {

/// 1 / y, and 0 where y is 0: the slope of a root there is taken for 0.
Tensor inverse_or_zero(const Tensor& y) {
  const Tensor none = y == 0;
  return masked_fill(1.0 / masked_fill(y, none, 1), none, 0);
}

}  // namespace

// ---- var and stddev ----------------------------------------------------------------------------

Tensor var(const Tensor& x) { return var(x, all_axes("var", x)); }

Tensor var(const Tensor& x, const Axes& given, VarOptions options) {
  require_float("var", "x", x);
  const Axes axes = resolve_axes("var", given, x.rank());
  // PyTorch's: inf or NaN where correction leaves nothing to divide by.
  const double divisor =
      std::max(static_cast<double>(count_over(x.shape(), axes)) - options.correction, 0.0);
  const Tensor y =
      reduced(x, axes, options.keepdim, x.dtype(), [&](auto& r, auto& dense, auto& out) {
        visit_float(x.dtype(), [&](auto zero) {
          using T = decltype(zero);
          kernels::variance(r, divisor, dense.template data<T>(), fresh_data<T>(out));
        });
      });
  return join_graph("var", {x}, y, [x, axes, divisor](const Backward& b) -> Gradients {
    const Tensor deviation = x - mean(x, axes, {.keepdim = true});
    return {restore(b.grad / divisor, x.shape(), axes) * deviation * 2.0};
  });
}

Tensor stddev(const Tensor& x) { return stddev(x, all_axes("stddev", x)); }

Tensor stddev(const Tensor& x, const Axes& given, VarOptions options) {
  require_float("stddev", "x", x);
  const Axes axes = resolve_axes("stddev", given, x.rank());
  const Tensor squared = var(x, axes, options);
  Tensor y;
  {
    const NoGrad no_grad;
    y = sqrt(squared);
  }
  return join_graph(
      "stddev", {squared}, y,
      [](const Backward& b) -> Gradients { return {b.grad * 0.5 * inverse_or_zero(b.output())}; },
      {.keep_output = true});
}

// ---- prod --------------------------------------------------------------------------------------

Tensor prod(const Tensor& x) { return prod(x, all_axes("prod", x)); }

Tensor prod(const Tensor& x, const Axes& given, ReduceOptions options) {
  require_numbers("prod", "x", x);
  const Axes axes = resolve_axes("prod", given, x.rank());
  const Tensor y =
      reduced(x, axes, options.keepdim, x.dtype(), [&](auto& r, auto& dense, auto& out) {
        visit_number(x.dtype(), [&](auto zero) {
          using T = decltype(zero);
          kernels::product(r, dense.template data<T>(), fresh_data<T>(out));
        });
      });
  return join_graph("prod", {x}, y, [x, axes](const Backward& b) -> Gradients {
    // The product of all others: of those before, and of those behind, along one axis at a time.
    Tensor slope = ones(x.shape(), x.dtype()), rest = x;
    for (const int64_t axis : axes) {
      const Tensor left = before(running_product(rest, axis, From::begin), axis, From::begin, 1);
      const Tensor right = before(running_product(rest, axis, From::end), axis, From::end, 1);
      slope = slope * (left * right);
      rest = prod(rest, {axis}, {.keepdim = true});
    }
    return {restore(b.grad, x.shape(), axes) * slope};
  });
}

// ---- norm --------------------------------------------------------------------------------------

namespace {

enum class Kind { one, two };

Tensor sum_norm(Kind kind, const Tensor& x, const Axes& axes, bool keepdim) {
  return reduced(x, axes, keepdim, x.dtype(), [&](auto& r, auto& dense, auto& out) {
    visit_float(x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      const auto norm = kind == Kind::one ? kernels::norm_1<T> : kernels::norm_2<T>;
      norm(r, dense.template data<T>(), fresh_data<T>(out));
    });
  });
}

/// sum(|x|^p)^(1/p), of sizes that the largest divides: so no power is too large or too small.
Tensor power_norm(double p, const Tensor& x, const Axes& axes, bool keepdim) {
  if (count_over(x.shape(), axes) == 0) return sum(x, axes, {.keepdim = keepdim});
  const Tensor size = abs(x);
  const Tensor top =
      p > 0 ? max(size, axes, {.keepdim = true}) : min(size, axes, {.keepdim = true});
  const Tensor fixed = logical_or(top == 0, isinf(top));  // 0 and inf are what they are
  const Tensor by = masked_fill(top, fixed, 1);
  const Tensor root = pow(sum(pow(size / by, p), axes, {.keepdim = true}), 1 / p) * by;
  return keepdim ? root : reshape(root, reduced_shape(x.shape(), axes, false));
}

Tensor norm_of(double p, const Tensor& x, const Axes& axes, bool keepdim) {
  if (p == 1) return sum_norm(Kind::one, x, axes, keepdim);
  if (p == 2) return sum_norm(Kind::two, x, axes, keepdim);
  if (p == 0) return sum(not_equal(x, 0).to(x.dtype()), axes, {.keepdim = keepdim});
  if (std::isinf(p)) {
    return p > 0 ? max(abs(x), axes, {.keepdim = keepdim})
                 : min(abs(x), axes, {.keepdim = keepdim});
  }
  return power_norm(p, x, axes, keepdim);
}

/// d norm / dx: sign(x) (|x| / y)^(p - 1), 0 where y is 0.
Tensor norm_slope(double p, const Tensor& x, const Tensor& y) {
  if (p == 1) return sign(x);
  if (p == 2) return x * inverse_or_zero(y);
  const Tensor share = abs(x) * inverse_or_zero(y);
  const Tensor none = share == 0;
  return sign(x) * masked_fill(pow(masked_fill(share, none, 1), p - 1), none, 0);
}

}  // namespace

Tensor norm(const Tensor& x) { return norm(x, all_axes("norm", x)); }

Tensor norm(const Tensor& x, const Axes& given, NormOptions options) {
  require_float("norm", "x", x);
  const double p = options.p;
  if (p != p) fail("norm: wanted a number as p; got nan");
  const Axes axes = resolve_axes("norm", given, x.rank());
  if (count_over(x.shape(), axes) == 0 && (p < 0 || std::isinf(p))) {
    fail("norm: wanted at least one element along axes ", axes, " for p = ", p, "; got shape ",
         x.shape());
  }
  // The extremes have rules of their own, which share among equals.
  if (std::isinf(p)) return norm_of(p, x, axes, options.keepdim);
  Tensor y;
  {
    const NoGrad no_grad;
    y = norm_of(p, x, axes, options.keepdim);
  }
  return join_graph("norm", {x}, y,
                    [x, axes, p](const Backward& b) -> Gradients {
                      if (p == 0) return {zeros(x.shape(), x.dtype())};
                      return {restore(b.grad, x.shape(), axes) *
                              norm_slope(p, x, restore(b.output(), x.shape(), axes))};
                    },
                    {.keep_output = true});
}

}  // namespace rapt
