#include <cmath>
#include <functional>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/kernels/elementary.h"
#include "rapt/autograd/kernels/pow.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/pointwise.h"

namespace rapt {

using kernels::Block;
using kernels::lanes;
using kernels::wrapping;

namespace {

Tensor add_number(const Tensor& a, double b) {
  return pointwise<Takes::numbers>(
      "add", a,
      [b]<class U>(const U& u) -> U {
        return wrapping(std::plus<>(), u, U::Constant(static_cast<Scalar<U>>(b)));
      },
      [](const Backward& y) -> Gradients { return {y.grad}; });
}

Tensor subtract_from_number(double a, const Tensor& b) {
  return pointwise<Takes::numbers>(
      "sub", b,
      [a]<class U>(const U& u) -> U {
        return wrapping(std::minus<>(), U(U::Constant(static_cast<Scalar<U>>(a))), u);
      },
      [](const Backward& y) -> Gradients { return {neg(y.grad)}; });
}

Tensor mul_by_number(const Tensor& a, double b) {
  return pointwise<Takes::numbers>(
      "mul", a,
      [b]<class U>(const U& u) -> U {
        return wrapping(std::multiplies<>(), u, U::Constant(static_cast<Scalar<U>>(b)));
      },
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
      "add", *first.tensor(), *second.tensor(),
      [](const auto& u, const auto& v) { return wrapping(std::plus<>(), u, v); },
      [](const Backward& y) -> Gradients {
        return {y.grad, y.grad};
      });
}

Tensor sub(TensorOrNumber first, TensorOrNumber second) {
  require_operands("sub", first, second);
  if (!first.tensor()) return subtract_from_number(first.number(), *second.tensor());
  if (!second.tensor()) return add_number(*first.tensor(), -second.number());
  return pointwise<Takes::numbers>(
      "sub", *first.tensor(), *second.tensor(),
      [](const auto& u, const auto& v) { return wrapping(std::minus<>(), u, v); },
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
      "mul", a, b, [](const auto& u, const auto& v) { return wrapping(std::multiplies<>(), u, v); },
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

// ---- whole quotients ---------------------------------------------------------------------------

namespace {

/// C leaves what i64 / 0 does open. One of the operands may be a number.
void require_divisors(const char* op, const Tensor& b) {
  if (b.dtype() != Dtype::i64) return;
  const int64_t at = first_bad<int64_t>(b, [](int64_t v) { return v == 0; });
  if (at >= 0) fail(op, ": wanted divisors other than 0; got 0 at ", at, " of i64", b.shape());
}

int64_t negated(int64_t a) { return static_cast<int64_t>(0 - static_cast<uint64_t>(a)); }

// What is left of a, with a's sign, and quotients. Of i64, -2^63 / -1 is a trap, and so are the
// zeros that a Block is padded with.
int64_t rest(int64_t a, int64_t b) { return b == -1 || b == 0 ? 0 : a % b; }
template <class T>
T rest(T a, T b) {
  return std::fmod(a, b);  // exact, so the same with any C library
}

template <class T>
T floor_rest(T a, T b) {
  const T r = rest(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

int64_t trunc_quotient(int64_t a, int64_t b) { return b == -1 ? negated(a) : b == 0 ? 0 : a / b; }
template <class T>
T trunc_quotient(T a, T b) {
  return std::trunc(a / b);
}

int64_t floor_quotient(int64_t a, int64_t b) {
  return trunc_quotient(a, b) - (rest(a, b) != 0 && (a < 0) != (b < 0));
}
/// Of the exact quotient: a / b may have been rounded up to a whole number.
template <class T>
T floor_quotient(T a, T b) {
  const T r = rest(a, b);
  if (b == 0 || r != r) return a / b;
  const T whole = (a - r) / b - ((r != 0 && (r < 0) != (b < 0)) ? T(1) : T(0));
  return whole == 0 ? std::copysign(T(0), a / b) : std::nearbyint(whole);
}

/// f of each pair of lanes.
template <class F>
auto per_pair(F f) {
  return [f]<class U>(const U& u, const U& v) {
    U out;
    for (int i = 0; i < lanes; ++i) out[i] = f(u[i], v[i]);
    return out;
  };
}

template <class F, class Rule>
Tensor quotient(const char* op, TensorOrNumber first, TensorOrNumber second, F f, Rule rule) {
  const auto operands = as_tensors(op, first, second);
  const Tensor &a = operands.first, &b = operands.second;
  require_same_dtype(op, a, b);
  require_divisors(op, b);
  return pointwise<Takes::numbers>(op, a, b, per_pair(f),
                                   [a, b, rule](const Backward& y) { return rule(y, a, b); });
}

}  // namespace

Tensor div(TensorOrNumber a, TensorOrNumber b, Rounding rounding) {
  const auto flat = [](const Backward& y, const Tensor&, const Tensor&) -> Gradients {
    const Tensor none = zeros(y.grad.shape(), y.grad.dtype());
    return {none, none};
  };
  if (rounding == Rounding::floor) {
    return quotient(
        "div", a, b, [](auto u, auto v) { return floor_quotient(u, v); }, flat);
  }
  return quotient(
      "div", a, b, [](auto u, auto v) { return trunc_quotient(u, v); }, flat);
}

Tensor remainder(TensorOrNumber first, TensorOrNumber second) {
  return quotient(
      "remainder", first, second, [](auto u, auto v) { return floor_rest(u, v); },
      [](const Backward& y, const Tensor& a, const Tensor& b) -> Gradients {
        return {y.grad, y.needs(1) ? -(y.grad * div(a, b, Rounding::floor)) : Tensor()};
      });
}

Tensor fmod(TensorOrNumber first, TensorOrNumber second) {
  return quotient(
      "fmod", first, second, [](auto u, auto v) { return rest(u, v); },
      [](const Backward& y, const Tensor& a, const Tensor& b) -> Gradients {
        return {y.grad, y.needs(1) ? -(y.grad * div(a, b, Rounding::trunc)) : Tensor()};
      });
}

Tensor neg(const Tensor& x) {
  return pointwise<Takes::numbers>(
      "neg", x, [](const auto& u) { return wrapping([](const auto& v) { return -v; }, u); },
      [](const Backward& y) -> Gradients { return {-y.grad}; });
}

// ---- powers ------------------------------------------------------------------------------------

namespace {

/// One exponent for all.
Tensor pow_by(const Tensor& x, double exponent) {
  const auto by = [&](auto value) {
    return pointwise("pow", x, value, [x, exponent](const Backward& y) -> Gradients {
      if (exponent == 0) return {y.grad * 0.0};
      return {y.grad * (pow_by(x, exponent - 1) * exponent)};
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

/// Of i64, by squaring.
int64_t whole_power(int64_t base, int64_t exponent) {
  uint64_t power = 1, square = static_cast<uint64_t>(base);
  for (; exponent > 0; exponent >>= 1, square *= square) {
    if ((exponent & 1) != 0) power *= square;
  }
  return static_cast<int64_t>(power);
}

Tensor pow_of_integers(const Tensor& base, const Tensor& exponent) {
  require_same_dtype("pow", base, exponent);
  const int64_t at = first_bad<int64_t>(exponent, [](int64_t v) { return v < 0; });
  if (at >= 0) {
    fail("pow: wanted exponents of at least 0 for i64; got ",
         exponent.contiguous().data<int64_t>()[at], " at ", at, " of i64", exponent.shape());
  }
  return map_elements<int64_t, int64_t, int64_t>(
      "pow", base, exponent, per_pair([](int64_t u, int64_t v) { return whole_power(u, v); }));
}

/// d pow(a, b) / da: b a^(b - 1), and 0 where b is 0.
Tensor slope_by_base(const Tensor& a, const Tensor& b) {
  return where(b == 0.0, 0.0, b * pow(a, where(b == 0.0, 1.0, b) - 1.0));
}

/// d pow(a, b) / db: y log(a), and 0 where a is 0 and b is not below.
Tensor slope_by_exponent(const Tensor& a, const Tensor& b, const Tensor& y) {
  const Tensor none = logical_and(a == 0.0, b >= 0.0);
  return where(none, 0.0, y * log(where(none, 1.0, a)));
}

}  // namespace

Tensor pow(TensorOrNumber first, TensorOrNumber second) {
  require_operands("pow", first, second);
  const bool integers = (first.tensor() ? first : second).tensor()->dtype() == Dtype::i64;
  if (!second.tensor() && !integers) return pow_by(*first.tensor(), second.number());
  const auto operands = as_tensors("pow", first, second);
  const Tensor &a = operands.first, &b = operands.second;
  if (integers) return pow_of_integers(a, b);
  return pointwise(
      "pow", a, b,
      []<class U>(const U& u, const U& v) -> U {
        return kernels::per_packet<Scalar<U>>(
            [](const auto& p, const auto& q) { return kernels::packets::generic_pow(p, q); }, u, v);
      },
      [a, b](const Backward& y) -> Gradients {
        return {y.needs(0) ? y.grad * slope_by_base(a, b) : Tensor(),
                y.needs(1) ? y.grad * slope_by_exponent(a, b, y.output()) : Tensor()};
      },
      {.keep_output = true});
}

}  // namespace rapt
