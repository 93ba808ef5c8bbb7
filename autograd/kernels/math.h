#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "rapt/autograd/kernels/block.h"

/// Functions of blocks, and of single numbers with the bits that they have in a block. Those of f32
/// are made of additions, products, quotients, square roots and fused multiply-adds alone, so they
/// have the same bits with any compiler and any C library, where there are fused multiply-adds
/// (docs/same-bits.md). Eigen's are fast, but some bend at the edges (exp of -inf is not 0, log of
/// a subnormal number is that of the smallest normal one); the edges are put right here, because
/// masks need inf and NaN to mean what they say.
namespace rapt::kernels {

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();

/// f of each of the machine's vectors that make up the blocks. (A loop over lanes with a choice in
/// it is left scalar by the compiler.)
template <class T, class F, class... Blocks>
[[gnu::always_inline]] inline Block<T> per_packet(F f, const Blocks&... x) {
  using Packet = VectorOf<T>;
  Block<T> out;
  for (int i = 0; i < lanes; i += lanes_of<T>) {
    packets::pstoreu(out.data() + i, f(packets::ploadu<Packet>(x.data() + i)...));
  }
  return out;
}

/// a b + c, rounded once.
template <class T>
[[gnu::always_inline]] inline Block<T> madd(const Block<T>& a, const Block<T>& b,
                                            const Block<T>& c) {
  return per_packet<T>([](auto u, auto v, auto w) { return packets::pmadd(u, v, w); }, a, b, c);
}

/// x held inside [-bound, bound]. NaN stays, as pmax and pmin give their first argument then.
template <class T>
[[gnu::always_inline]] inline Block<T> clamp(const Block<T>& x, T bound) {
  return per_packet<T>(
      [bound]<class Packet>(const Packet& p) {
        const Packet above = packets::pmax(p, packets::pset1<Packet>(-bound));
        return packets::pmin(above, packets::pset1<Packet>(bound));
      },
      x);
}

/// a where x is above 0, else b.
template <class T>
[[gnu::always_inline]] inline Block<T> where_positive(const Block<T>& x, const Block<T>& a,
                                                      const Block<T>& b) {
  return per_packet<T>(
      []<class Packet>(const Packet& p, const Packet& above, const Packet& below) {
        return packets::pselect(packets::pcmp_lt(packets::pset1<Packet>(T(0)), p), above, below);
      },
      x, a, b);
}

/// exp of f32 as scale (1 + rest), where scale = 2^n and |rest| < 1/2; above 88, where 2^(n+1) is
/// no float, rest is larger.
template <class Packet>
struct ExpParts {
  Packet scale, rest;
};

template <class Packet>
[[gnu::always_inline]] inline ExpParts<Packet> exp_parts(const Packet& given) {
  using packets::pmadd, packets::pmul, packets::pset1;
  const Packet x = packets::pmax(packets::pmin(given, pset1<Packet>(88.8F)), pset1<Packet>(-88.F));
  // exp(x) = 2^n exp(r) with |r| <= ln(2) / 2. 2^128 is no float: there, r is larger instead.
  const Packet n =
      packets::pmin(packets::print(pmul(x, pset1<Packet>(1.44269504F))), pset1<Packet>(127.F));
  // ln(2) in two parts: n times the first is exact.
  Packet r = pmadd(n, pset1<Packet>(-0.693359375F), x);
  r = pmadd(n, pset1<Packet>(2.12194440e-4F), r);
  // The polynomial of Cephes' expf.
  Packet tail = pset1<Packet>(1.9875691500e-4F);
  for (const float c :
       {1.3981999507e-3F, 8.3334519073e-3F, 4.1665795894e-2F, 1.6666665459e-1F, 5.0000001201e-1F}) {
    tail = pmadd(tail, r, pset1<Packet>(c));
  }
  const Packet rest = pmadd(pmul(r, r), tail, r);
  // n = -127 gives the exponent of 0, and with it 0.
  using Exponent = typename packets::unpacket_traits<Packet>::integer_packet;
  const Exponent biased =
      packets::padd(packets::pcast<Packet, Exponent>(n), packets::pset1<Exponent>(127));
  return {packets::preinterpret<Packet>(packets::plogical_shift_left<23>(biased)), rest};
}

/// exp of each number in a vector of f32, to 1e-7 of it (above 88 to 4e-7); 0
/// below -87.7, inf above 88.72.
template <class Packet>
[[gnu::always_inline]] inline Packet exp_packet(const Packet& x) {
  const ExpParts<Packet> e = exp_parts(x);
  return packets::pmul(packets::padd(e.rest, packets::pset1<Packet>(1.F)), e.scale);
}

/// exp - 1, to 1.1e-7 of it: near 0, where scale is 1, nothing but rest. Of -0, -0.
template <class Packet>
[[gnu::always_inline]] inline Packet expm1_packet(const Packet& x) {
  const ExpParts<Packet> e = exp_parts(x);
  const Packet y =
      packets::pmadd(e.scale, e.rest, packets::psub(e.scale, packets::pset1<Packet>(1.F)));
  return packets::por(y, packets::pand(x, packets::pset1<Packet>(-0.F)));
}

template <class T>
[[gnu::always_inline]] inline Block<T> exp(const Block<T>& x) {
  if constexpr (std::is_same_v<T, float>) {
    // Where it is used often, g++ would call the lambda, and pass its vectors through memory.
    return per_packet<T>(
        [](const auto& p) __attribute__((always_inline)) { return exp_packet(p); }, x);
  } else {
    // Below it the result is no normal number any more; it becomes 0.
    return per_packet<T>(
        []<class Packet>(const Packet& p) {
          const Packet low = packets::pcmp_lt(p, packets::pset1<Packet>(-708.39641853226408));
          return packets::pandnot(packets::pexp(p), low);
        },
        x);
  }
}

/// ln. Subnormal numbers are scaled up first: Eigen's takes them for the smallest normal one.
template <class T, class Packet>
[[gnu::always_inline]] inline Packet log_packet(const Packet& p) {
  const Packet tiny = packets::pcmp_lt(p, packets::pset1<Packet>(std::numeric_limits<T>::min()));
  const Packet scaled = packets::pmul(p, packets::pset1<Packet>(T(int64_t{1} << 54)));
  const Packet log_scale = packets::pset1<Packet>(T(37.429947750237048));  // 54 ln(2)
  const Packet y = packets::plog(packets::pselect(tiny, scaled, p));
  return packets::psub(y, packets::pand(tiny, log_scale));
}

template <class T>
Block<T> log(const Block<T>& x) {
  return per_packet<T>([](const auto& p) { return log_packet<T>(p); }, x);
}

/// exp and ln of one number.
template <class T>
T exp_one(T x) {
  using Packet = typename packets::packet_traits<T>::half;
  if constexpr (std::is_same_v<T, float>) {
    return packets::pfirst(exp_packet(packets::pset1<Packet>(x)));
  } else {
    return std::exp(x);
  }
}

/// Of a positive normal number.
template <class T>
T log_one(T x) {
  using Packet = typename packets::packet_traits<T>::half;
  return packets::pfirst(packets::plog(packets::pset1<Packet>(x)));
}

template <class T>
Block<T> sqrt(const Block<T>& x) {
  Block<T> out;
  for (int i = 0; i < lanes; ++i) out[i] = std::sqrt(x[i]);
  return out;
}

template <class T>
Block<T> tanh(const Block<T>& x) {
  return x.tanh();
}

template <class T>
Block<T> sin(const Block<T>& x) {
  return x.sin();
}

template <class T>
Block<T> cos(const Block<T>& x) {
  return x.cos();
}

/// Eigen's leaves [-1, 1] by a few units of the last place.
template <class T>
Block<T> erf(const Block<T>& x) {
  return clamp<T>(eigen::erf(x), T(1));
}

template <class T>
Block<T> sigmoid(const Block<T>& x) {
  return T(1) / (T(1) + exp<T>(-x));
}

}  // namespace rapt::kernels
