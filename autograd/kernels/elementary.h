#pragma once

#include <cmath>
#include <initializer_list>

#include "rapt/autograd/kernels/math.h"

/// Elementary functions that math.h does not have. Those of f32 are computed in f64, by packets of
/// additions, products, quotients and square roots, and rounded once (log1p, expm1, tan and
/// softplus: of what math.h has); those of f64 are the C library's.
namespace rapt::kernels {

/// f of each lane.
template <class T, class F>
[[gnu::always_inline]] inline Block<T> per_lane(const Block<T>& x, F f) {
  Block<T> out;
  for (int i = 0; i < lanes; ++i) out[i] = f(x[i]);
  return out;
}

/// f of each packet of f64 that f32 is widened to.
template <class F>
[[gnu::always_inline]] inline Block<float> widened(const Block<float>& x, F f) {
  return converted<float>(Block<double>(per_packet<double>(f, converted<double>(x))));
}

/// c[0] z^(n-1) + ... + c[n-1].
template <class Packet>
[[gnu::always_inline]] inline Packet polynomial(const Packet& z, std::initializer_list<double> c) {
  Packet sum = packets::pset1<Packet>(0.0);
  for (const double one : c) sum = packets::pmadd(sum, z, packets::pset1<Packet>(one));
  return sum;
}

template <class Packet>
[[gnu::always_inline]] inline Packet constant(double value) {
  return packets::pset1<Packet>(value);
}

/// `magnitude` with the sign of `x`.
template <class Packet>
[[gnu::always_inline]] inline Packet with_sign_of(const Packet& x, const Packet& magnitude) {
  return packets::por(magnitude, packets::pand(x, constant<Packet>(-0.0)));
}

/// log(1 + x) of f32. With u = 1 + x as it is rounded, log(u) plus what was lost: (x - (u - 1)) /
/// u.
template <class Packet>
[[gnu::always_inline]] inline Packet log1p_packet(const Packet& x) {
  const Packet one = packets::pset1<Packet>(1.F), u = packets::padd(x, one);
  const Packet log_of_u = packets::plog(u);  // u is 0 or at least 2^-24: no subnormal number
  const Packet lost = packets::psub(x, packets::psub(u, one));
  // Of u = 0 and inf, the quotient would be NaN.
  const Packet exact = packets::por(packets::pcmp_eq(lost, packets::pset1<Packet>(0.F)),
                                    packets::pcmp_eq(x, packets::pset1<Packet>(infinity<float>)));
  const Packet more = packets::pandnot(packets::pdiv(lost, u), exact);
  const Packet tiny = packets::pcmp_lt(packets::pabs(x), packets::pset1<Packet>(0x1p-24F));
  return packets::pselect(tiny, x, packets::padd(log_of_u, more));
}

template <class T>
Block<T> log1p(const Block<T>& x) {
  if constexpr (std::is_same_v<T, double>) {
    return per_lane<T>(x, [](T u) { return std::log1p(u); });
  } else {
    return per_packet<T>(
        [](const auto& p) __attribute__((always_inline)) { return log1p_packet(p); }, x);
  }
}

/// exp(x) - 1.
template <class T>
Block<T> expm1(const Block<T>& x) {
  if constexpr (std::is_same_v<T, double>) {
    return per_lane<T>(x, [](T u) { return std::expm1(u); });
  } else {
    return per_packet<T>(
        [](const auto& p) __attribute__((always_inline)) { return expm1_packet(p); }, x);
  }
}

template <class T>
Block<T> sinh(const Block<T>& x) {
  if constexpr (std::is_same_v<T, double>) {
    return per_lane<T>(x, [](T u) { return std::sinh(u); });
  } else {
    return widened(x, []<class Packet>(const Packet& u) {
      const Packet z = packets::pmul(u, u);
      const Packet small = packets::pcmp_lt(z, constant<Packet>(0x1p-12));
      const Packet series = packets::pmul(u, polynomial(z, {1.0 / 5040, 1.0 / 120, 1.0 / 6, 1}));
      const Packet e = packets::pexp(u);
      const Packet twice = packets::psub(e, packets::pdiv(constant<Packet>(1), e));
      return packets::pselect(small, series, packets::pmul(twice, constant<Packet>(0.5)));
    });
  }
}

template <class T>
Block<T> cosh(const Block<T>& x) {
  if constexpr (std::is_same_v<T, double>) {
    return per_lane<T>(x, [](T u) { return std::cosh(u); });
  } else {
    return widened(x, []<class Packet>(const Packet& u) {
      const Packet e = packets::pexp(u);
      return packets::pmul(packets::padd(e, packets::pdiv(constant<Packet>(1), e)),
                           constant<Packet>(0.5));
    });
  }
}

template <class T>
Block<T> tan(const Block<T>& x) {
  if constexpr (std::is_same_v<T, double>) {
    return per_lane<T>(x, [](T u) { return std::tan(u); });
  } else {
    return sin(x) / cos(x);
  }
}

/// asin of u in [0, 1/2], by the polynomial of Cephes' asinf.
template <class Packet>
[[gnu::always_inline]] inline Packet asin_below_half(const Packet& u) {
  const Packet z = packets::pmul(u, u);
  const Packet p = polynomial(
      z, {4.2163199048e-2, 2.4181311049e-2, 4.5470025998e-2, 7.4953002686e-2, 1.6666752422e-1});
  return packets::pmadd(packets::pmul(p, z), u, u);
}

/// asin(|u|), and NaN beyond 1: above 1/2, pi / 2 - 2 asin(sqrt((1 - |u|) / 2)).
template <class Packet>
[[gnu::always_inline]] inline Packet asin_of_size(const Packet& u) {
  const Packet size = packets::pabs(u), half = constant<Packet>(0.5);
  const Packet near_one = packets::pcmp_lt(half, size);
  const Packet rest = packets::psqrt(packets::pmul(packets::psub(constant<Packet>(1), size), half));
  const Packet y = asin_below_half(packets::pselect(near_one, rest, size));
  const Packet folded = packets::pmadd(y, constant<Packet>(-2), constant<Packet>(M_PI_2));
  return packets::pselect(near_one, folded, y);
}

template <class T>
Block<T> asin(const Block<T>& x) {
  if constexpr (std::is_same_v<T, double>) {
    return per_lane<T>(x, [](T u) { return std::asin(u); });
  } else {
    return widened(x, [](const auto& u) { return with_sign_of(u, asin_of_size(u)); });
  }
}

/// pi / 2 - asin(x); above 1/2, 2 asin(sqrt((1 - x) / 2)), which keeps its digits near 0.
template <class T>
Block<T> acos(const Block<T>& x) {
  if constexpr (std::is_same_v<T, double>) {
    return per_lane<T>(x, [](T u) { return std::acos(u); });
  } else {
    return widened(x, []<class Packet>(const Packet& u) {
      const Packet half = constant<Packet>(0.5);
      const Packet near_one = packets::pcmp_lt(half, u);
      const Packet rest =
          packets::psqrt(packets::pmul(packets::psub(constant<Packet>(1), u), half));
      const Packet near = packets::pmul(asin_below_half(rest), constant<Packet>(2));
      const Packet far = packets::psub(constant<Packet>(M_PI_2), with_sign_of(u, asin_of_size(u)));
      return packets::pselect(near_one, near, far);
    });
  }
}

/// By the polynomial of Cephes' atanf, of t in [0, tan(pi / 8)]: atan(a) = pi / 4 + atan((a - 1) /
/// (a + 1)) = pi / 2 - atan(1 / a).
template <class T>
Block<T> atan(const Block<T>& x) {
  if constexpr (std::is_same_v<T, double>) {
    return per_lane<T>(x, [](T u) { return std::atan(u); });
  } else {
    return widened(x, []<class Packet>(const Packet& u) {
      const Packet a = packets::pabs(u), one = constant<Packet>(1);
      const Packet middle = packets::pcmp_lt(constant<Packet>(0.4142135623730950), a);
      const Packet far = packets::pcmp_lt(constant<Packet>(2.414213562373095), a);
      const Packet folded = packets::pdiv(packets::psub(a, one), packets::padd(a, one));
      Packet t = packets::pselect(middle, folded, a);
      t = packets::pselect(far, packets::pdiv(constant<Packet>(-1), a), t);
      Packet from = packets::pand(middle, constant<Packet>(M_PI_4));
      from = packets::pselect(far, constant<Packet>(M_PI_2), from);
      const Packet z = packets::pmul(t, t);
      const Packet p =
          polynomial(z, {8.05374449538e-2, -1.38776856032e-1, 1.99777106478e-1, -3.33329491539e-1});
      const Packet y = packets::padd(from, packets::pmadd(packets::pmul(p, z), t, t));
      return with_sign_of(u, y);
    });
  }
}

/// log(1 + exp(x)), without overflow.
template <class T>
Block<T> softplus(const Block<T>& x) {
  if constexpr (std::is_same_v<T, double>) {
    return x.max(T(0)) + log1p<T>(exp<T>(-x.abs()));
  } else {
    return per_packet<T>(
        []<class Packet>(const Packet& p) __attribute__((always_inline)) {
          const Packet above = packets::pmax(p, packets::pset1<Packet>(T(0)));  // NaN stays
          const Packet e = exp_packet(packets::pnegate(packets::pabs(p)));
          return packets::padd(above, log1p_packet(e));
        },
        x);
  }
}

/// The smaller of x and a number. NaN stays.
template <class T>
Block<T> at_most(const Block<T>& x, T bound) {
  return per_packet<T>(
      [bound](const auto& p) { return packets::pmin(p, packets::pset1<VectorOf<T>>(bound)); }, x);
}

/// To the nearest whole number, of two equally near to the even one.
template <class T>
Block<T> round(const Block<T>& x) {
  return per_packet<T>([](const auto& p) { return packets::print(p); }, x);
}
template <class T>
Block<T> floor(const Block<T>& x) {
  return per_packet<T>([](const auto& p) { return packets::pfloor(p); }, x);
}
template <class T>
Block<T> ceil(const Block<T>& x) {
  return per_packet<T>([](const auto& p) { return packets::pceil(p); }, x);
}
/// Towards 0.
template <class T>
Block<T> trunc(const Block<T>& x) {
  return per_packet<T>(
      []<class Packet>(const Packet& p) {
        const Packet sign = packets::pand(p, packets::pset1<Packet>(T(-0.0)));
        return packets::por(packets::pfloor(packets::pabs(p)), sign);
      },
      x);
}

}  // namespace rapt::kernels
