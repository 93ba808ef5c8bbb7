#include <cmath>
#include <numbers>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/kernels/pow.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/pointwise.h"

namespace rapt {

using kernels::Block;
using kernels::lanes;

// ---- arithmetic --------------------------------------------------------------------------------

namespace {

Tensor add_number(const Tensor& a, double b) {
  return pointwise<Takes::numbers>(
      "add", a, [b]<class U>(const U& u) { return u + static_cast<Scalar<U>>(b); },
      [](const Backward& y) -> Gradients { return {y.grad}; });
}

Tensor subtract_from_number(double a, const Tensor& b) {
  return pointwise<Takes::numbers>(
      "sub", b, [a]<class U>(const U& u) { return static_cast<Scalar<U>>(a) - u; },
      [](const Backward& y) -> Gradients { return {neg(y.grad)}; });
}

Tensor mul_by_number(const Tensor& a, double b) {
  return pointwise<Takes::numbers>(
      "mul", a, [b]<class U>(const U& u) { return u * static_cast<Scalar<U>>(b); },
      [b](const Backward& y) -> Gradients { return {y.grad * b}; });
}

Tensor div_by_number(const Tensor& a, double b) {
  return pointwise(
      "div", a, [b]<class U>(const U& u) { return u / static_cast<Scalar<U>>(b); },
      [b](const Backward& y) -> Gradients { return {y.grad / b}; });
}

Tensor div_number_by(double a, const Tensor& b) {
  return pointwise(
      "div", b, [a]<class U>(const U& u) { return static_cast<Scalar<U>>(a) / u; },
      [b](const Backward& y) -> Gradients { return {-(y.grad * y.output()) / b}; },
      {.keep_output = true});
}

}  // namespace

Tensor add(TensorOrNumber first, TensorOrNumber second) {
  require_operands("add", first, second);
  if (!first.tensor()) return add_number(*second.tensor(), first.number());
  if (!second.tensor()) return add_number(*first.tensor(), second.number());
  return pointwise<Takes::numbers>(
      "add", *first.tensor(), *second.tensor(), [](const auto& u, const auto& v) { return u + v; },
      [](const Backward& y) -> Gradients {
        return {y.grad, y.grad};
      });
}

Tensor sub(TensorOrNumber first, TensorOrNumber second) {
  require_operands("sub", first, second);
  if (!first.tensor()) return subtract_from_number(first.number(), *second.tensor());
  if (!second.tensor()) return add_number(*first.tensor(), -second.number());
  return pointwise<Takes::numbers>(
      "sub", *first.tensor(), *second.tensor(), [](const auto& u, const auto& v) { return u - v; },
      [](const Backward& y) -> Gradients {
        return {y.grad, y.needs(1) ? neg(y.grad) : Tensor()};
      });
}

Tensor mul(TensorOrNumber first, TensorOrNumber second) {
  require_operands("mul", first, second);
  if (!first.tensor()) return mul_by_number(*second.tensor(), first.number());
  if (!second.tensor()) return mul_by_number(*first.tensor(), second.number());
  const Tensor &a = *first.tensor(), &b = *second.tensor();
  return pointwise<Takes::numbers>(
      "mul", a, b, [](const auto& u, const auto& v) { return u * v; },
      [a, b](const Backward& y) -> Gradients {
        return {y.needs(0) ? y.grad * b : Tensor(), y.needs(1) ? y.grad * a : Tensor()};
      });
}

Tensor div(TensorOrNumber first, TensorOrNumber second) {
  require_operands("div", first, second);
  if (!first.tensor()) return div_number_by(first.number(), *second.tensor());
  if (!second.tensor()) return div_by_number(*first.tensor(), second.number());
  const Tensor &a = *first.tensor(), &b = *second.tensor();
  return pointwise(
      "div", a, b, [](const auto& u, const auto& v) { return u / v; },
      [b](const Backward& y) -> Gradients {
        const Tensor ga = y.grad / b;
        return {ga, y.needs(1) ? -(ga * y.output()) : Tensor()};
      },
      {.keep_output = true});
}

Tensor neg(const Tensor& x) {
  return pointwise<Takes::numbers>(
      "neg", x, [](const auto& u) { return -u; },
      [](const Backward& y) -> Gradients { return {-y.grad}; });
}

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

Tensor clamp(const Tensor& x, double low, double high) {
  if (!(low <= high)) fail("clamp: wanted low <= high; got ", low, " and ", high);
  return pointwise(
      "clamp", x,
      [low, high]<class U>(const U& u) {
        const auto bottom = static_cast<Scalar<U>>(low), top = static_cast<Scalar<U>>(high);
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

// ---- functions ---------------------------------------------------------------------------------

Tensor exp(const Tensor& x) {
  return pointwise(
      "exp", x, [](const auto& u) { return kernels::exp(u); },
      [](const Backward& y) -> Gradients { return {y.grad * y.output()}; }, {.keep_output = true});
}

Tensor log(const Tensor& x) {
  return pointwise(
      "log", x, [](const auto& u) { return kernels::log(u); },
      [x](const Backward& y) -> Gradients { return {y.grad / x}; });
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

Tensor pow(const Tensor& x, double exponent) {
  const auto by = [&](auto value) {
    return pointwise("pow", x, value, [x, exponent](const Backward& y) -> Gradients {
      if (exponent == 0) return {y.grad * 0.0};
      return {y.grad * (pow(x, exponent - 1) * exponent)};
    });
  };
  // What is an instruction or two is done so; chosen here, not once more for every block.
  if (exponent == 1) return by([]<class U>(const U& u) -> const U& { return u; });
  if (exponent == 2) return by([](const auto& u) { return u * u; });
  if (exponent == 3) return by([](const auto& u) { return u * u * u; });
  if (exponent == -1) return by([]<class U>(const U& u) { return Scalar<U>(1) / u; });
  if (exponent == -2)
    return by([]<class U>(const U& u) -> U {
      const U inverse = Scalar<U>(1) / u;
      return inverse * inverse;
    });
  if (exponent == 0.5) return by([](const auto& u) { return kernels::pow_half(u); });
  return by([exponent]<class U>(const U& u) -> U {
    return kernels::pow(u, static_cast<Scalar<U>>(exponent));
  });
}

Tensor abs(const Tensor& x) {
  return pointwise<Takes::numbers>(
      "abs", x, [](const auto& u) { return u.abs(); },
      [x](const Backward& y) -> Gradients {
        const Tensor zero = zeros({}, x.dtype());
        return {y.grad * (greater(x, zero).to(x.dtype()) - less(x, zero).to(x.dtype()))};
      });
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

// ---- Tensor's own ------------------------------------------------------------------------------

namespace {

Tensor copied(const Tensor& x) {
  const Tensor y = empty(x.shape(), x.dtype());
  visit_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::copy(x.data<T>(), x.strides(), x.shape(), y.strides(), fresh_data<T>(y));
  });
  return join_graph("clone", {x}, y, [](const Backward& b) -> Gradients { return {b.grad}; });
}

/// For a conversion to i64, which cuts off what is behind the point.
template <class T>
void require_in_i64(const Tensor& x) {
  const Tensor dense = x.detach().contiguous();
  const T* values = dense.data<T>();
  for (int64_t i = 0, n = dense.numel(); i < n; ++i) {
    if (is_in_i64(values[i])) continue;
    fail("to: wanted numbers that i64 can hold; got ", double{values[i]}, " at ", i, " of ",
         x.dtype(), x.shape());
  }
}

}  // namespace

Tensor Tensor::clone() const {
  require_defined("clone", "x", *this);
  return copied(*this);
}

Tensor Tensor::contiguous() const { return is_contiguous() ? *this : copied(*this); }

Tensor Tensor::to(Dtype dtype) const {
  const Dtype from = this->dtype();
  if (from == dtype) return *this;
  const Tensor y = visit_any(from, [&](auto in) {
    using In = decltype(in);
    return visit_any(dtype, [&](auto out) {
      using Out = decltype(out);
      if constexpr (std::is_floating_point_v<In> && std::is_same_v<Out, int64_t>) {
        require_in_i64<In>(*this);
      }
      return map_elements<Out, In>(
          *this, [](const Block<In>& u) -> Block<Out> { return u.template cast<Out>(); });
    });
  });
  if (!is_float(dtype)) return y;  // whole numbers and truth values carry no gradient
  return join_graph("to", {*this}, y,
                    [from](const Backward& b) -> Gradients { return {b.grad.to(from)}; });
}

}  // namespace rapt
