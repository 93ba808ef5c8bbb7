#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/kernels/moments.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/reduction.h"
#include "rapt/autograd/ops/detail/taken.h"

namespace rapt {

// ---- where the extremes are --------------------------------------------------------------------

namespace {

Tensor index_of(const char* op, bool largest, const Tensor& x, Int axis, bool keepdim) {
  require_numbers(op, "x", x);
  const Axes axes = {resolve_axis(op, axis, x.rank())};
  if (count_over(x.shape(), axes) == 0) {
    fail(op, ": wanted at least one element along axis ", axis, "; got shape ", x.shape());
  }
  return reduced(x, axes, keepdim, Dtype::i64, [&](auto& r, auto& dense, auto& out) {
    visit_number(x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::index_of_extreme(r, largest, dense.template data<T>(), fresh_data<int64_t>(out));
    });
  });
}

Tensor index_of_all(const char* op, bool largest, const Tensor& x) {
  require_numbers(op, "x", x);
  if (x.numel() == 0) fail(op, ": wanted at least one element; got shape ", x.shape());
  return index_of(op, largest, reshape(x.detach(), {-1}), 0, false);
}

ValuesAndIndices with_indices(const char* op, bool largest, const Tensor& x, Int axis,
                              bool keepdim) {
  const Tensor index = index_of(op, largest, x, axis, true);
  return taken_one(op, x, resolve_axis(op, axis, x.rank()), index, keepdim);
}

}  // namespace

Tensor argmax(const Tensor& x) { return index_of_all("argmax", true, x); }
Tensor argmax(const Tensor& x, Int axis, ReduceOptions options) {
  return index_of("argmax", true, x, axis, options.keepdim);
}

Tensor argmin(const Tensor& x) { return index_of_all("argmin", false, x); }
Tensor argmin(const Tensor& x, Int axis, ReduceOptions options) {
  return index_of("argmin", false, x, axis, options.keepdim);
}

ValuesAndIndices max_with_indices(const Tensor& x, Int axis, ReduceOptions options) {
  return with_indices("max_with_indices", true, x, axis, options.keepdim);
}

ValuesAndIndices min_with_indices(const Tensor& x, Int axis, ReduceOptions options) {
  return with_indices("min_with_indices", false, x, axis, options.keepdim);
}

// ---- truth values ------------------------------------------------------------------------------

namespace {

Tensor count_true(const char* op, const Tensor& x, const Axes& given, bool keepdim) {
  require_dtype(op, "x", x, Dtype::b8);
  const Axes axes = resolve_axes(op, given, x.rank());
  return reduced(x, axes, keepdim, Dtype::i64, [](auto& r, auto& dense, auto& out) {
    kernels::count_true(r, dense.template data<bool>(), fresh_data<int64_t>(out));
  });
}

}  // namespace

Tensor any(const Tensor& x) { return any(x, all_axes("any", x)); }
Tensor any(const Tensor& x, const Axes& axes, ReduceOptions options) {
  return count_true("any", x, axes, options.keepdim) > 0;
}

Tensor all(const Tensor& x) { return all(x, all_axes("all", x)); }
Tensor all(const Tensor& x, const Axes& given, ReduceOptions options) {
  const Tensor count = count_true("all", x, given, options.keepdim);
  return count == count_over(x.shape(), resolve_axes("all", given, x.rank()));
}

Tensor count_nonzero(const Tensor& x) { return count_nonzero(x, all_axes("count_nonzero", x)); }
Tensor count_nonzero(const Tensor& x, const Axes& axes, ReduceOptions options) {
  require_defined("count_nonzero", "x", x);
  return count_true("count_nonzero", x.dtype() == Dtype::b8 ? x : not_equal(x, 0), axes,
                    options.keepdim);
}

}  // namespace rapt
