#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/pointwise.h"

namespace rapt {

using kernels::Block;

namespace {

template <class F>
Tensor compare(const char* op, TensorOrNumber first, TensorOrNumber second, F f) {
  const auto operands = as_tensors(op, first, second);
  const Tensor &a = operands.first, &b = operands.second;
  require_same_dtype(op, a, b);
  return visit_any(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    return map_elements<bool, T, T>(op, a, b,
                                    [f](const Block<T>& u, const Block<T>& v) -> Block<bool> {
                                      Block<bool> out;
                                      for (int i = 0; i < kernels::lanes; ++i)
                                        out[i] = f(u[i], v[i]);
                                      return out;
                                    });
  });
}

template <class F>
Tensor combine(const char* op, const Tensor& a, const Tensor& b, F f) {
  require_dtype(op, "the first argument", a, Dtype::b8);
  require_dtype(op, "the second argument", b, Dtype::b8);
  return compare(op, a, b, f);
}

}  // namespace

Tensor equal(TensorOrNumber a, TensorOrNumber b) {
  return compare("equal", a, b, [](auto u, auto v) { return u == v; });
}
Tensor not_equal(TensorOrNumber a, TensorOrNumber b) {
  return compare("not_equal", a, b, [](auto u, auto v) { return u != v; });
}
Tensor less(TensorOrNumber a, TensorOrNumber b) {
  return compare("less", a, b, [](auto u, auto v) { return u < v; });
}
Tensor less_equal(TensorOrNumber a, TensorOrNumber b) {
  return compare("less_equal", a, b, [](auto u, auto v) { return u <= v; });
}
Tensor greater(TensorOrNumber a, TensorOrNumber b) {
  return compare("greater", a, b, [](auto u, auto v) { return u > v; });
}
Tensor greater_equal(TensorOrNumber a, TensorOrNumber b) {
  return compare("greater_equal", a, b, [](auto u, auto v) { return u >= v; });
}

Tensor logical_and(const Tensor& a, const Tensor& b) {
  return combine("logical_and", a, b, [](bool u, bool v) { return u && v; });
}
Tensor logical_or(const Tensor& a, const Tensor& b) {
  return combine("logical_or", a, b, [](bool u, bool v) { return u || v; });
}

Tensor logical_not(const Tensor& a) {
  require_dtype("logical_not", "the argument", a, Dtype::b8);
  return map_elements<bool, bool>(a, [](const Block<bool>& u) -> Block<bool> { return !u; });
}

namespace {

/// f of each Block of x.
template <class F>
Tensor test(const char* op, const Tensor& x, F f) {
  require_float(op, "x", x);
  return visit_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    return map_elements<bool, T>(x, f);
  });
}

}  // namespace

Tensor isfinite(const Tensor& x) {
  return test("isfinite", x, []<class U>(const U& u) -> Block<bool> {
    return (u - u) == Scalar<U>(0);  // inf - inf and NaN - NaN are NaN
  });
}

Tensor isinf(const Tensor& x) {
  return test("isinf", x, []<class U>(const U& u) -> Block<bool> {
    return u.abs() == kernels::infinity<Scalar<U>>;
  });
}

Tensor isnan(const Tensor& x) {
  return test("isnan", x, []<class U>(const U& u) -> Block<bool> { return u != u; });
}

}  // namespace rapt
