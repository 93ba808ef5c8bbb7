#include <cmath>
#include <limits>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/pointwise.h"

namespace rapt {

using kernels::Block;
using kernels::lanes;

namespace {

/// 1 where a > b, a half where they are equal, 0 elsewhere; a constant.
Tensor preference(const Tensor& a, const Tensor& b) {
  return (greater(a, b).to(a.dtype()) + greater_equal(a, b).to(a.dtype())) * 0.5;
}

/// The lane-wise choice by `better(u, v)`; a NaN on either side is the result.
template <class Better>
auto pick(Better better) {
  return [better]<class U>(const U& u, const U& v) {
    U out;
    for (int i = 0; i < lanes; ++i) out[i] = better(u[i], v[i]) || u[i] != u[i] ? u[i] : v[i];
    return out;
  };
}

}  // namespace

Tensor maximum(TensorOrNumber first, TensorOrNumber second) {
  const auto operands = as_tensors("maximum", first, second);
  const Tensor &a = operands.first, &b = operands.second;
  return pointwise<Takes::numbers>("maximum", a, b, pick([](auto u, auto v) { return u > v; }),
                                   [a, b](const Backward& y) -> Gradients {
                                     const Tensor w = preference(a, b);
                                     return {y.grad * w, y.grad * (1.0 - w)};
                                   });
}

Tensor minimum(TensorOrNumber first, TensorOrNumber second) {
  const auto operands = as_tensors("minimum", first, second);
  const Tensor &a = operands.first, &b = operands.second;
  return pointwise<Takes::numbers>("minimum", a, b, pick([](auto u, auto v) { return u < v; }),
                                   [a, b](const Backward& y) -> Gradients {
                                     const Tensor w = preference(b, a);
                                     return {y.grad * w, y.grad * (1.0 - w)};
                                   });
}

namespace {

/// A bound as T has it: beyond what i64 holds there is none.
template <class T>
T bound_of(double value) {
  if constexpr (std::is_same_v<T, int64_t>) {
    if (std::isinf(value)) {
      return value > 0 ? std::numeric_limits<T>::max() : std::numeric_limits<T>::min();
    }
  }
  return checked_number<T>("clamp", value);
}

}  // namespace

Tensor clamp(const Tensor& x, double low, double high) {
  if (!(low <= high)) fail("clamp: wanted low <= high; got ", low, " and ", high);
  return pointwise<Takes::numbers>(
      "clamp", x,
      [low, high]<class U>(const U& u) {
        const auto bottom = bound_of<Scalar<U>>(low), top = bound_of<Scalar<U>>(high);
        U out;
        for (int i = 0; i < lanes; ++i) out[i] = u[i] < bottom ? bottom : u[i] > top ? top : u[i];
        return out;
      },
      [x](const Backward& y) -> Gradients {
        return {masked_fill(y.grad, not_equal(x, y.output()), 0)};
      },
      {.keep_output = true});
}

Tensor where(const Tensor& condition, TensorOrNumber first, TensorOrNumber second) {
  require_dtype("where", "condition", condition, Dtype::b8);
  const auto operands = as_tensors("where", first, second);
  const Tensor &a = operands.first, &b = operands.second;
  require_same_dtype("where", a, b);
  const Shape shape =
      broadcast("where", condition.shape(), broadcast("where", a.shape(), b.shape()));
  const Tensor y = empty_result(shape, a.dtype(), {&condition, &a, &b});
  visit_any(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::map(
        fresh_data<T>(y), y.strides(), shape,
        [](const Block<bool>& c, const Block<T>& u, const Block<T>& v) {
          Block<T> out;
          for (int i = 0; i < lanes; ++i) out[i] = c[i] ? u[i] : v[i];
          return out;
        },
        operand<bool>(condition, shape), operand<T>(a, shape), operand<T>(b, shape));
  });
  return join_graph("where", {condition, a, b}, y,
                    [condition](const Backward& g) -> Gradients {
                      return {Tensor(), masked_fill(g.grad, logical_not(condition), 0),
                              masked_fill(g.grad, condition, 0)};
                    },
                    {.broadcasts = true});
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  require_defined("masked_fill", "x", x);
  require_dtype("masked_fill", "mask", mask, Dtype::b8);
  if (!broadcasts_to(mask.shape(), x.shape())) {
    fail("masked_fill: wanted a mask that broadcasts to x ", x.shape(), "; got ", mask.shape());
  }
  const Tensor y = empty_result(x.shape(), x.dtype(), {&x});
  visit_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::map(
        fresh_data<T>(y), y.strides(), x.shape(),
        [fill = checked_number<T>("masked_fill", value)](const Block<bool>& m, const Block<T>& u) {
          Block<T> out;
          for (int i = 0; i < lanes; ++i) out[i] = m[i] ? fill : u[i];
          return out;
        },
        operand<bool>(mask, x.shape()), operand<T>(x, x.shape()));
  });
  return join_graph("masked_fill", {x}, y, [mask](const Backward& b) -> Gradients {
    return {masked_fill(b.grad, mask, 0)};
  });
}

}  // namespace rapt
