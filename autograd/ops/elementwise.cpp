#include <numbers>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/kernels/elementary.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/pointwise.h"

namespace rapt {

using kernels::Block;
using kernels::lanes;

Tensor exp(const Tensor& x) {
  return pointwise(
      "exp", x, [](const auto& u) { return kernels::exp(u); },
      [](const Backward& y) -> Gradients { return {y.grad * y.output()}; }, {.keep_output = true});
}

Tensor expm1(const Tensor& x) {
  return pointwise(
      "expm1", x, [](const auto& u) { return kernels::expm1(u); },
      [x](const Backward& y) -> Gradients { return {y.grad * exp(x)}; });  // y + 1 loses digits
}

Tensor log(const Tensor& x) {
  return pointwise(
      "log", x, [](const auto& u) { return kernels::log(u); },
      [x](const Backward& y) -> Gradients { return {y.grad / x}; });
}

Tensor log1p(const Tensor& x) {
  return pointwise(
      "log1p", x, [](const auto& u) { return kernels::log1p(u); },
      [x](const Backward& y) -> Gradients { return {y.grad / (x + 1.0)}; });
}

Tensor square(const Tensor& x) {
  return pointwise(
      "square", x, []<class U>(const U& u) -> U { return u * u; },
      [x](const Backward& y) -> Gradients { return {y.grad * x * 2.0}; });
}

Tensor sqrt(const Tensor& x) {
  return pointwise(
      "sqrt", x, [](const auto& u) { return kernels::sqrt(u); },
      [](const Backward& y) -> Gradients { return {y.grad * 0.5 / y.output()}; },
      {.keep_output = true});
}

Tensor rsqrt(const Tensor& x) {
  return pointwise(
      "rsqrt", x, []<class U>(const U& u) -> U { return Scalar<U>(1) / kernels::sqrt(u); },
      [](const Backward& y) -> Gradients {
        return {y.grad * (y.output() * y.output() * y.output()) * -0.5};
      },
      {.keep_output = true});
}

Tensor abs(const Tensor& x) {
  return pointwise<Takes::numbers>(
      "abs", x,
      []<class U>(const U& u) -> U {
        if constexpr (std::is_floating_point_v<Scalar<U>>) {
          return u.abs();
        } else {
          return kernels::wrapping([&u](const auto& v) { return (u < 0).select(-v, v); }, u);
        }
      },
      [x](const Backward& y) -> Gradients {
        const Tensor zero = zeros({}, x.dtype());
        return {y.grad * (greater(x, zero).to(x.dtype()) - less(x, zero).to(x.dtype()))};
      });
}

namespace {

/// One whose gradient is 0.
template <Takes takes = Takes::floats, class F>
Tensor flat(const char* op, const Tensor& x, F value) {
  return pointwise<takes>(op, x, value, [](const Backward& y) -> Gradients {
    return {zeros(y.grad.shape(), y.grad.dtype())};
  });
}

}  // namespace

Tensor sign(const Tensor& x) {
  return flat<Takes::numbers>("sign", x, []<class U>(const U& u) {
    U out;
    for (int i = 0; i < lanes; ++i) {
      out[i] = u[i] > 0 ? Scalar<U>(1) : u[i] < 0 ? Scalar<U>(-1) : u[i];  // NaN stays
    }
    return out;
  });
}

Tensor floor(const Tensor& x) {
  return flat("floor", x, [](const auto& u) { return kernels::floor(u); });
}

Tensor ceil(const Tensor& x) {
  return flat("ceil", x, [](const auto& u) { return kernels::ceil(u); });
}

Tensor round(const Tensor& x) {
  return flat("round", x, [](const auto& u) { return kernels::round(u); });
}

Tensor trunc(const Tensor& x) {
  return flat("trunc", x, [](const auto& u) { return kernels::trunc(u); });
}

Tensor sin(const Tensor& x) {
  return pointwise(
      "sin", x, [](const auto& u) { return kernels::sin(u); },
      [x](const Backward& y) -> Gradients { return {y.grad * cos(x)}; });
}

Tensor cos(const Tensor& x) {
  return pointwise(
      "cos", x, [](const auto& u) { return kernels::cos(u); },
      [x](const Backward& y) -> Gradients { return {-(y.grad * sin(x))}; });
}

Tensor tan(const Tensor& x) {
  return pointwise(
      "tan", x, [](const auto& u) { return kernels::tan(u); },
      [](const Backward& y) -> Gradients { return {y.grad * (square(y.output()) + 1.0)}; },
      {.keep_output = true});
}

Tensor asin(const Tensor& x) {
  return pointwise(
      "asin", x, [](const auto& u) { return kernels::asin(u); },
      [x](const Backward& y) -> Gradients { return {y.grad * rsqrt(1.0 - square(x))}; });
}

Tensor acos(const Tensor& x) {
  return pointwise(
      "acos", x, [](const auto& u) { return kernels::acos(u); },
      [x](const Backward& y) -> Gradients { return {-(y.grad * rsqrt(1.0 - square(x)))}; });
}

Tensor atan(const Tensor& x) {
  return pointwise(
      "atan", x, [](const auto& u) { return kernels::atan(u); },
      [x](const Backward& y) -> Gradients { return {y.grad / (square(x) + 1.0)}; });
}

Tensor sinh(const Tensor& x) {
  return pointwise(
      "sinh", x, [](const auto& u) { return kernels::sinh(u); },
      [x](const Backward& y) -> Gradients { return {y.grad * cosh(x)}; });
}

Tensor cosh(const Tensor& x) {
  return pointwise(
      "cosh", x, [](const auto& u) { return kernels::cosh(u); },
      [x](const Backward& y) -> Gradients { return {y.grad * sinh(x)}; });
}

Tensor erf(const Tensor& x) {
  return pointwise(
      "erf", x, [](const auto& u) { return kernels::erf(u); },
      [x](const Backward& y) -> Gradients {
        return {y.grad * exp(-(x * x)) * (2 * std::numbers::inv_sqrtpi)};
      });
}

Tensor tanh(const Tensor& x) {
  return pointwise(
      "tanh", x, [](const auto& u) { return kernels::tanh(u); },
      [](const Backward& y) -> Gradients { return {y.grad * (1.0 - y.output() * y.output())}; },
      {.keep_output = true});
}

Tensor sigmoid(const Tensor& x) {
  return pointwise(
      "sigmoid", x, [](const auto& u) { return kernels::sigmoid(u); },
      [](const Backward& y) -> Gradients { return {y.grad * y.output() * (1.0 - y.output())}; },
      {.keep_output = true});
}

}  // namespace rapt
