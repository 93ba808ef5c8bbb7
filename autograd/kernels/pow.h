#pragma once

#include <cmath>
#include <limits>

#include "rapt/autograd/kernels/math.h"

/// x^exponent with one exponent for all, with the edges of C's pow.
namespace rapt::kernels {

namespace power {

/// log2(m) + e, for m in [0.7, 1.42] and whole e, to 4e-12 of it.
template <class Packet>
[[gnu::always_inline]] inline Packet log2(const Packet& m, const Packet& e) {
  using packets::pmadd, packets::pset1;
  const Packet one = pset1<Packet>(1.0);
  // log2(m) = z p(z^2) with z = (m - 1) / (m + 1); p interpolates it at Chebyshev's points.
  const Packet z = packets::pdiv(packets::psub(m, one), packets::padd(m, one));
  const Packet w = packets::pmul(z, z);
  Packet p = pset1<Packet>(0.3407140816448644);
  for (const double c :
       {0.41167366107562875, 0.57708356766286, 0.9617966734435097, 2.8853900817899927}) {
    p = pmadd(p, w, pset1<Packet>(c));
  }
  return pmadd(z, p, e);
}

/// 2^r for r in [-0.5, 0.5], to 6e-11 of it.
template <class Packet>
[[gnu::always_inline]] inline Packet exp2(const Packet& r) {
  Packet p = packets::pset1<Packet>(1.530369985403013e-05);
  for (const double c :
       {0.00015469729169126367, 0.0013333478479218286, 0.009618025613484349, 0.055504109063157614,
        0.2402265121349647, 0.6931471805568374, 0.9999999999595621}) {
    p = packets::pmadd(p, r, packets::pset1<Packet>(c));
  }
  return p;
}

/// 2^n for whole n in [-126, 127].
[[gnu::always_inline]] inline Block<float> two_to(const Block<float>& n) {
  return per_packet<float>(
      []<class Packet>(const Packet& p) {
        using Exponent = typename packets::unpacket_traits<Packet>::integer_packet;
        const Exponent biased =
            packets::padd(packets::pcast<Packet, Exponent>(p), packets::pset1<Exponent>(127));
        return packets::preinterpret<Packet>(packets::plogical_shift_left<23>(biased));
      },
      n);
}

/// |x|^exponent for f32 in the arithmetic of f64, rounded once: 2^(exponent log2 |x|). Where x is
/// 0, inf or NaN it may be anything.
[[gnu::always_inline]] inline Block<float> of_size(const Block<float>& x, double exponent) {
  // |x| = m 2^e, m in [sqrt(1/2), sqrt(2)).
  Block<float> m, e;
  for (int i = 0; i < lanes; i += lanes_of<float>) {
    using Packet = VectorOf<float>;
    Packet power;
    const Packet half =
        packets::pfrexp(packets::pabs(packets::ploadu<Packet>(x.data() + i)), power);
    const Packet low = packets::pcmp_lt(half, packets::pset1<Packet>(0.70710678F));
    packets::pstoreu(m.data() + i, packets::padd(half, packets::pand(low, half)));
    packets::pstoreu(e.data() + i,
                     packets::psub(power, packets::pand(low, packets::pset1<Packet>(1.F))));
  }
  Block<double> n, fraction;
  const Block<double> wide_m = converted<double>(m), wide_e = converted<double>(e);
  for (int i = 0; i < lanes; i += lanes_of<double>) {
    using Packet = VectorOf<double>;
    const Packet log = log2(packets::ploadu<Packet>(wide_m.data() + i),
                            packets::ploadu<Packet>(wide_e.data() + i));
    Packet t = packets::pmul(log, packets::pset1<Packet>(exponent));
    // Beyond that all is 0 or inf.
    t = packets::pmin(packets::pmax(t, packets::pset1<Packet>(-200)), packets::pset1<Packet>(200));
    const Packet whole = packets::print(t);
    packets::pstoreu(n.data() + i, whole);
    packets::pstoreu(fraction.data() + i, exp2(packets::psub(t, whole)));
  }
  // Scaled before it is rounded, or what ends below the smallest normal number is rounded twice.
  const Block<float> whole = converted<float>(n);
  const Block<float> half = per_packet<float>([](const auto& p) { return packets::pfloor(p); },
                                              Block<float>(whole * 0.5F));
  const Block<double> first = converted<double>(Block<float>(two_to(half)));
  const Block<double> second = converted<double>(Block<float>(two_to(whole - half)));
  return converted<float>(Block<double>(fraction * first * second));
}

}  // namespace power

/// x^exponent, for an exponent of f32 that is finite and not 0.
[[gnu::always_inline]] inline Block<float> pow_of_floats(const Block<float>& x, float exponent) {
  const bool whole = std::trunc(exponent) == exponent;
  const bool odd = whole && std::abs(exponent) < 16777216.F &&
                   std::fmod(exponent, 2.F) != 0;  // larger ones are even
  return per_packet<float>(
      [=]<class Packet>(const Packet& p, const Packet& size) {
        const auto all = [](float v) { return packets::pset1<Packet>(v); };
        const Packet magnitude = packets::pabs(p);
        Packet y = size;
        const Packet zero = packets::pcmp_eq(magnitude, all(0.F));
        const Packet inf = packets::pcmp_eq(magnitude, all(infinity<float>));
        y = packets::pselect(zero, all(exponent > 0 ? 0.F : infinity<float>), y);
        y = packets::pselect(inf, all(exponent > 0 ? infinity<float> : 0.F), y);
        if (odd) y = packets::por(y, packets::pand(p, all(-0.F)));
        if (!whole) {
          const Packet negative = packets::pandnot(packets::pcmp_lt(p, all(0.F)), inf);
          y = packets::pselect(negative, all(std::numeric_limits<float>::quiet_NaN()), y);
        }
        return packets::pselect(packets::pcmp_eq(p, p), y, p);
      },
      x, power::of_size(x, exponent));
}

/// x^(1/2): sqrt's sign of 0 and its NaN at -inf are not pow's.
template <class T>
Block<T> pow_half(const Block<T>& x) {
  return per_packet<T>(
      []<class Packet>(const Packet& p, const Packet& root) {
        const Packet inf = packets::pset1<Packet>(infinity<T>);
        const Packet lowest = packets::pcmp_eq(p, packets::pset1<Packet>(-infinity<T>));
        return packets::pselect(lowest, inf, packets::padd(root, packets::pset1<Packet>(T(0))));
      },
      x, sqrt(x));
}

/// x^exponent.
template <class T>
Block<T> pow(const Block<T>& x, T exponent) {
  if constexpr (std::is_same_v<T, float>) {
    if (exponent != 0 && std::isfinite(exponent)) return pow_of_floats(x, exponent);
  }
  return per_packet<T>(
      [exponent]<class Packet>(const Packet& p) {
        return packets::generic_pow(p, packets::pset1<Packet>(exponent));
      },
      x);
}

}  // namespace rapt::kernels
