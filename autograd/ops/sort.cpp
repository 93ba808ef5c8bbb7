#include "rapt/autograd/kernels/sort.h"

#include <limits>

#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/reduction.h"
#include "rapt/autograd/ops/detail/taken.h"

namespace rapt {

namespace {

/// The axis, which the kernels count in 32 bits.
int64_t sorted_axis(const char* op, const Tensor& x, Int given) {
  require_numbers(op, "x", x);
  const int64_t axis = resolve_axis(op, given, x.rank());
  constexpr int64_t longest = std::numeric_limits<uint32_t>::max();
  if (x.size(axis) > longest) {
    fail(op, ": wanted at most ", longest, " elements along an axis; got shape ", x.shape());
  }
  return axis;
}

/// The first k along an axis.
ValuesAndIndices first_sorted(const char* op, const Tensor& x, int64_t axis, int64_t k,
                              bool descending) {
  Tensor values, indices;
  {
    const NoGrad no_grad;
    const ReductionPlan p = plan_reduction(x, {axis});
    Shape shape = p.x.shape();
    for (int64_t i = 0; i < p.order.size(); ++i) {
      if (p.order[i] == axis) shape[i] = k;
    }
    values = empty(shape, x.dtype());
    indices = empty(shape, Dtype::i64);
    visit_number(x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::sort(p.reduction, descending, k, p.x.data<T>(), fresh_data<T>(values),
                    fresh_data<int64_t>(indices));
    });
    values = p.back(values);
    indices = p.back(indices);
  }
  return taken(op, x, axis, values, indices);
}

}  // namespace

ValuesAndIndices sort(const Tensor& x, Int axis, SortOptions options) {
  const int64_t along = sorted_axis("sort", x, axis);
  return first_sorted("sort", x, along, x.size(along), options.descending);
}

Tensor argsort(const Tensor& x, Int axis, SortOptions options) {
  const int64_t along = sorted_axis("argsort", x, axis);
  return first_sorted("argsort", x.detach(), along, x.size(along), options.descending).indices;
}

ValuesAndIndices topk(const Tensor& x, Int given, Int axis, TopkOptions options) {
  const int64_t along = sorted_axis("topk", x, axis);
  const int64_t k = given, n = x.size(along);
  if (k < 0 || k > n) {
    fail("topk: wanted a k in [0, ", n, "], the length of axis ", axis, " of ", x.shape(), "; got ",
         k);
  }
  return first_sorted("topk", x, along, k, options.largest);
}

Tensor median(const Tensor& x) {
  require_numbers("median", "x", x);
  if (x.numel() == 0) fail("median: wanted at least one element; got shape ", x.shape());
  return median(reshape(x, {-1}), 0).values;
}

ValuesAndIndices median(const Tensor& x, Int given, ReduceOptions options) {
  const int64_t axis = sorted_axis("median", x, given);
  if (x.size(axis) == 0) {
    fail("median: wanted at least one element along axis ", given, "; got shape ", x.shape());
  }
  const int64_t middle = (x.size(axis) - 1) / 2;
  Tensor indices;
  {
    const NoGrad no_grad;
    indices = reduced(x, {axis}, true, Dtype::i64, [&](auto& r, auto& dense, auto& out) {
      visit_number(x.dtype(), [&](auto zero) {
        using T = decltype(zero);
        const Tensor unused = empty(out.shape(), x.dtype());
        kernels::nth(r, middle, dense.template data<T>(), fresh_data<T>(unused),
                     fresh_data<int64_t>(out));
      });
    });
    if (is_float(x.dtype())) {
      const Tensor odd = isnan(x);
      const Tensor first_nan = argmax(odd.to(Dtype::i64), axis, {.keepdim = true});
      indices = where(any(odd, {axis}, {.keepdim = true}), first_nan, indices);
    }
  }
  return taken_one("median", x, axis, indices, options.keepdim);
}

Unique unique(const Tensor& x) {
  require_numbers("unique", "x", x);
  const NoGrad no_grad;
  const ValuesAndIndices sorted = sort(reshape(x, {-1}), 0);
  const int64_t n = x.numel();
  Unique out{empty({n}, x.dtype()), empty({n}, Dtype::i64), empty({n}, Dtype::i64)};
  int64_t found = 0;
  visit_number(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* const in_order = sorted.values.template data<T>();
    const int64_t* const place = sorted.indices.template data<int64_t>();
    T* const values = fresh_data<T>(out.values);
    int64_t *const inverse = fresh_data<int64_t>(out.inverse), *const counts =
                                                                   fresh_data<int64_t>(out.counts);
    for (int64_t i = 0; i < n; ++i) {
      if (i == 0 || in_order[i] != in_order[i - 1]) {
        values[found] = in_order[i];
        counts[found++] = 0;
      }
      ++counts[found - 1];
      inverse[place[i]] = found - 1;
    }
  });
  return {slice(out.values, 0, 0, found).clone(), reshape(out.inverse, x.shape()),
          slice(out.counts, 0, 0, found).clone()};
}

}  // namespace rapt
