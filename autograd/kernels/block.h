#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "rapt/autograd/kernels/eigen.h"

/// The vectors that rapt's loops are made of. A Block always goes through vector instructions, the
/// tail of an array padded, so the value computed for an element does not depend on where it lies.
namespace rapt::kernels {

inline constexpr int lanes = 16;

template <class T>
using Block = eigen::Array<T, lanes, 1>;

template <class T>
[[gnu::always_inline]] inline Block<T> load(const T* from) {
  return eigen::Map<const Block<T>>(from);
}

/// The first `count` lanes from memory, the others `fill`.
template <class T>
Block<T> load_part(const T* from, int64_t count, T fill) {
  Block<T> out = Block<T>::Constant(fill);
  for (int64_t i = 0; i < count; ++i) out[i] = from[i];
  return out;
}

template <class T>
[[gnu::always_inline]] inline void store(T* to, const Block<T>& block) {
  eigen::Map<Block<T>>{to} = block;
}

template <class T>
void store_part(T* to, const Block<T>& block, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = block[i];
}

// Functions of a block. Eigen's are fast but some bend at the edges: exp of -inf is not 0, sqrt of
// inf is NaN. Masks need inf and NaN to mean what they say, so the edges are put right here.

/// exp of each number in a vector of f32, to 1e-7 of it (above 88 to 4e-7); 0
/// below -87.7, inf above 88.72.
template <class Packet>
[[gnu::always_inline]] inline Packet exp_packet(const Packet& given) {
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
  const Packet y = packets::padd(pmadd(pmul(r, r), tail, r), pset1<Packet>(1.F));
  // n = -127 gives the exponent of 0, and with it 0.
  using Exponent = typename packets::unpacket_traits<Packet>::integer_packet;
  const Exponent biased =
      packets::padd(packets::pcast<Packet, Exponent>(n), packets::pset1<Exponent>(127));
  return pmul(y, packets::preinterpret<Packet>(packets::plogical_shift_left<23>(biased)));
}

template <class T>
[[gnu::always_inline]] inline Block<T> exp(const Block<T>& x) {
  if constexpr (std::is_same_v<T, float>) {
    using Packet = packets::packet_traits<float>::type;
    Block<T> y;
    for (int i = 0; i < lanes; i += packets::unpacket_traits<Packet>::size) {
      packets::pstoreu(y.data() + i, exp_packet(packets::ploadu<Packet>(x.data() + i)));
    }
    return y;
  } else {
    // Below it the result is no normal number any more; it becomes 0.
    constexpr T lowest = T(-708.39641853226408);
    const Block<T> y = x.exp();
    Block<T> out;
    for (int i = 0; i < lanes; ++i) out[i] = x[i] < lowest ? T(0) : y[i];
    return out;
  }
}

template <class T>
Block<T> log(const Block<T>& x) {
  return x.log();
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

template <class T>
Block<T> erf(const Block<T>& x) {
  return eigen::erf(x);
}

template <class T>
Block<T> sigmoid(const Block<T>& x) {
  return T(1) / (T(1) + exp<T>(-x));
}

}  // namespace rapt::kernels
