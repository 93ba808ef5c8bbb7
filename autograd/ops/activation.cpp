#include <cmath>
#include <numbers>
#include <utility>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/reuse.h"
#include "rapt/autograd/kernels/elementary.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/pointwise.h"
#include "rapt/autograd/ops/detail/products.h"
#include "rapt/autograd/ops/detail/sum_to.h"

namespace rapt {

using kernels::Block;
using kernels::lanes;

Tensor relu(const Tensor& x) {
  return pointwise(
      "relu", x,
      []<class U>(const U& u) {
        U out;
        for (int i = 0; i < lanes; ++i) out[i] = u[i] < 0 ? Scalar<U>(0) : u[i];
        return out;
      },
      [](const Backward& y) -> Gradients {
        return {masked_fill(y.grad, equal(y.output(), zeros({}, y.output().dtype())), 0)};
      },
      {.keep_output = true});
}

namespace {

/// A function of one element with its slope, for a Block: they share most of their work. Where one
/// of the two is not used, the compiler leaves it out.
template <class U>
struct ValueAndSlope {
  U value, slope;
};

/// A fused op of one argument: its definition, and its curve.
template <class Definition, class F>
Tensor fused_pointwise(const char* op, const Tensor& x, Definition definition, F curve) {
  require_float(op, "x", x);
  const Tensor y = visit_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    return map_elements<T, T>(x, [curve](const Block<T>& u) -> Block<T> { return curve(u).value; });
  });
  return join_graph(op, {x}, y, [op, x, definition, curve](const Backward& b) -> Gradients {
    if (b.create_graph) {
      // The slope first, as the kernel has it: a gradient of inf over its terms may be inf - inf.
      const Gradients slope = differentiate(definition, {x}, b, ones(x.shape(), x.dtype()));
      return {b.grad * slope[0]};
    }
    return {visit_float(x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      return map_elements<T, T, T>(
          op, x, b.grad,
          [curve](const Block<T>& u, const Block<T>& g) -> Block<T> { return curve(u).slope * g; });
    })};
  });
}

struct GeluByTanh {
  // Phi's approximation, 0.5 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), is the sigmoid of twice
  // what tanh is taken of: that keeps the digits where tanh comes near -1.
  static constexpr double scale = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  static constexpr double cubic = 0.044715;

  static Tensor definition(const Tensor& x) {
    const Tensor u = clamp(x, -30, 30);  // beyond, the sigmoid is 0 or 1 and the cube may be inf
    return x * sigmoid((u + u * u * u * cubic) * scale);
  }
  template <class U>
  [[gnu::always_inline]] ValueAndSlope<U> operator()(const U& u) const {
    using T = Scalar<U>;
    const U one = U::Constant(T(1)), steep = U::Constant(T(scale));
    const U odd = kernels::madd<T>(u * u, U::Constant(T(-scale * cubic)), -steep);
    const U cumulative = one / (one + kernels::exp<T>(u * odd));
    // Beyond, the slope of the sigmoid is 0, and the square may be inf.
    const U near = kernels::clamp<T>(u, T(30));
    const U inner = kernels::madd<T>(near * near, U::Constant(T(3 * scale * cubic)), steep);
    return {u * cumulative,
            kernels::madd<T>(cumulative * (near * inner), one - cumulative, cumulative)};
  }
};

struct GeluByErf {
  static Tensor definition(const Tensor& x) {
    return x * (erf(x * (1 / std::numbers::sqrt2)) + 1.0) * 0.5;
  }
  template <class U>
  [[gnu::always_inline]] ValueAndSlope<U> operator()(const U& u) const {
    using T = Scalar<U>;
    constexpr double height = std::numbers::inv_sqrtpi / std::numbers::sqrt2;
    const U cumulative = T(0.5) * (T(1) + kernels::erf<T>(u * T(1 / std::numbers::sqrt2)));
    const U density = T(height) * kernels::exp<T>(u * u * T(-0.5));
    return {u * cumulative, cumulative + u * density};
  }
};

template <class Form>
Tensor gelu_by(const Tensor& x) {
  return fused_pointwise(
      "gelu", x, [](const Tensors& in) { return Form::definition(in[0]); }, Form());
}

/// value = gelu(x), and gradient = gradient * gelu'(x), in one pass; value may lie where x does.
template <class Form>
void gelu_and_slope(const Tensor& x, const Tensor& value, const Tensor& gradient) {
  visit_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::map_pair(
        x.numel(), x.data<T>(), fresh_data<T>(gradient),
        [](const Block<T>& u, const Block<T>& g) -> std::pair<Block<T>, Block<T>> {
          const ValueAndSlope<Block<T>> at = Form()(u);
          return {at.value, at.slope * g};
        },
        fresh_data<T>(value));
  });
}

template <class Form>
Gradients gelu_linear_gradients(const Backward& b, const Tensor& x, const Tensor& weight,
                                bool x_is_free) {
  const int64_t out = weight.size(0), in = weight.size(1);
  const int64_t rows = Shape(x.shape().begin(), x.shape().end() - 1).numel();
  const Tensor g = reshape(b.grad, {rows, out});
  Products products;
  const Tensor dx = products.add(g, weight.detach(), x.shape());
  products.run();
  const Tensor inner = reshape(x.detach().contiguous(), {rows, in});
  const Tensor value = x_is_free ? inner : empty({rows, in}, x.dtype());
  gelu_and_slope<Form>(inner, value, dx);
  const Tensor dw = b.needs(1)
                        ? products.add(transpose(g), value, weight.shape(), accumulate_into(b, 1))
                        : Tensor();
  products.run();
  return {dx, dw, b.needs(2) ? sum_to(g, {out}, accumulate_into(b, 2)) : Tensor()};
}

template <class Form>
Tensor gelu_linear_by(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  Tensor y;
  {
    const NoGrad inside;
    y = linear(gelu_by<Form>(x), weight, bias);
  }
  // join_graph, not fused: that would keep a second handle, and may_overwrite would never hold
  // (design.md, Memory reuse).
  return join_graph(
      "gelu_linear", {x, weight, bias}, y, [x, weight, bias](const Backward& b) -> Gradients {
        if (b.create_graph) {
          return differentiate(
              [](const Tensors& in) { return linear(gelu_by<Form>(in[0]), in[1], in[2]); },
              {x, weight, bias}, b);
        }
        return gelu_linear_gradients<Form>(b, x, weight, may_overwrite(b, x));
      });
}

}  // namespace

Tensor gelu(const Tensor& x, Gelu form) {
  return form == Gelu::tanh ? gelu_by<GeluByTanh>(x) : gelu_by<GeluByErf>(x);
}

Tensor silu(const Tensor& x) {
  return fused_pointwise(
      "silu", x, [](const Tensors& in) { return in[0] * sigmoid(in[0]); },
      []<class U>(const U& u) -> ValueAndSlope<U> {
        using T = Scalar<U>;
        const U s = kernels::sigmoid(u);
        return {u * s, s * (T(1) + u * (T(1) - s))};
      });
}

Tensor hardswish(const Tensor& x) {
  return fused_pointwise(
      "hardswish", x,
      [](const Tensors& in) {
        const Tensor& x_in = in[0];
        const Tensor near = where(abs(x_in) > 3, sign(x_in) * 3.0, x_in);  // inf meets no product
        return where(x_in >= 3, x_in, near * (near + 3.0) / 6.0);
      },
      []<class U>(const U& u) {
        using T = Scalar<U>;
        ValueAndSlope<U> at;
        for (int i = 0; i < lanes; ++i) {
          const T v = u[i];
          at.value[i] = v < T(-3) ? T(0) : v >= T(3) ? v : v * (v + T(3)) / T(6);
          at.slope[i] = v < T(-3) ? T(0) : v >= T(3) ? T(1) : v / T(3) + T(0.5);
        }
        return at;
      });
}

Tensor mish(const Tensor& x) {
  // With e = exp(x) and n = e (e + 2): tanh(softplus(x)) = n / (n + 2). Above 20 that is 1.
  return fused_pointwise(
      "mish", x,
      [](const Tensors& in) { return in[0] * tanh(softplus(where(in[0] > 20, 20, in[0]))); },
      []<class U>(const U& u) -> ValueAndSlope<U> {
        using T = Scalar<U>;
        const U near = kernels::at_most<T>(u, T(20));
        const U e = kernels::exp<T>(near);
        const U n = e * (e + T(2)), w = n / (n + T(2));
        return {u * w, w + near * (e * (e + T(1)) * T(4)) / ((n + T(2)) * (n + T(2)))};
      });
}

// ---- by plain rules ----------------------------------------------------------------------------

Tensor leaky_relu(const Tensor& x, double negative_slope) {
  return pointwise(
      "leaky_relu", x,
      [negative_slope]<class U>(const U& u) {
        using T = Scalar<U>;
        return kernels::where_positive<T>(u, u, u * static_cast<T>(negative_slope));
      },
      [x, negative_slope](const Backward& y) -> Gradients {
        return {where(x > 0, y.grad, y.grad * negative_slope)};
      });
}

namespace {

/// scale * x where x is above 0, else scale * alpha * (exp(x) - 1).
Tensor elu_of(const char* op, const Tensor& x, double alpha, double scale) {
  return fused_pointwise(
      op, x,
      [=](const Tensors& in) {
        const Tensor below = expm1(where(in[0] > 0, 0, in[0])) * (scale * alpha);
        return where(in[0] > 0, in[0] * scale, below);
      },
      [=]<class U>(const U& u) -> ValueAndSlope<U> {
        using T = Scalar<U>;
        const U e_minus_1 = kernels::expm1<T>(kernels::at_most<T>(u, T(0)));
        const U e = e_minus_1 + T(1);
        const U linear = u * T(scale), slope = U::Constant(T(scale));
        return {kernels::where_positive<T>(u, linear, e_minus_1 * T(scale * alpha)),
                kernels::where_positive<T>(u, slope, e * T(scale * alpha))};
      });
}

}  // namespace

Tensor elu(const Tensor& x, double alpha) { return elu_of("elu", x, alpha, 1); }

Tensor selu(const Tensor& x) {
  return elu_of("selu", x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946);
}

Tensor softplus(const Tensor& x, double beta) {
  if (!(beta > 0) || std::isinf(beta)) fail("softplus: wanted a finite beta > 0; got ", beta);
  return pointwise(
      "softplus", x,
      [beta]<class U>(const U& u) -> U {
        using T = Scalar<U>;
        if (beta == 1) return kernels::softplus<T>(u);
        return kernels::softplus<T>(u * T(beta)) / T(beta);
      },
      [x, beta](const Backward& y) -> Gradients { return {y.grad * sigmoid(x * beta)}; });
}

Tensor logsigmoid(const Tensor& x) {
  return pointwise(
      "logsigmoid", x, []<class U>(const U& u) -> U { return -kernels::softplus<Scalar<U>>(-u); },
      [x](const Backward& y) -> Gradients { return {y.grad * sigmoid(-x)}; });
}

Tensor softsign(const Tensor& x) {
  return pointwise(
      "softsign", x, []<class U>(const U& u) -> U { return u / (u.abs() + Scalar<U>(1)); },
      [x](const Backward& y) -> Gradients { return {y.grad / square(abs(x) + 1.0)}; });
}

Tensor gelu_linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Gelu form) {
  check_linear("gelu_linear", x, weight, bias);
  return form == Gelu::tanh ? gelu_linear_by<GeluByTanh>(x, weight, bias)
                            : gelu_linear_by<GeluByErf>(x, weight, bias);
}

}  // namespace rapt
