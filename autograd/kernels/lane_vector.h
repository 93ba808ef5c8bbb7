#pragma once

#include <cstring>

#include "rapt/autograd/kernels/math.h"
#include "rapt/autograd/kernels/rows.h"

namespace rapt::kernels {

/// As many numbers as a Block has, in the machine's own vectors: for code that goes on with them in
/// registers, where the compiler lets a Block go through memory. Results have the bits of a
/// Block's.
template <class T>
class LaneVector {
 public:
  using Packet = VectorOf<T>;

  [[gnu::always_inline]] static LaneVector all(T x) {
    return made([&](int) { return packets::pset1<Packet>(x); });
  }
  [[gnu::always_inline]] static LaneVector load(const T* from) {
    return made([&](int i) { return packets::ploadu<Packet>(from + i * width); });
  }
  [[gnu::always_inline]] void store(T* to) const {
    for (int i = 0; i < count; ++i) packets::pstoreu(to + i * width, parts_[i]);
  }

  [[gnu::always_inline]] friend LaneVector operator+(const LaneVector& a, const LaneVector& b) {
    return made([&](int i) { return packets::padd(a.parts_[i], b.parts_[i]); });
  }
  [[gnu::always_inline]] friend LaneVector operator-(const LaneVector& a, const LaneVector& b) {
    return made([&](int i) { return packets::psub(a.parts_[i], b.parts_[i]); });
  }
  [[gnu::always_inline]] friend LaneVector operator*(const LaneVector& a, const LaneVector& b) {
    return made([&](int i) { return packets::pmul(a.parts_[i], b.parts_[i]); });
  }
  /// a b + c, rounded once.
  [[gnu::always_inline]] friend LaneVector madd(const LaneVector& a, const LaneVector& b,
                                                const LaneVector& c) {
    return made([&](int i) { return packets::pmadd(a.parts_[i], b.parts_[i], c.parts_[i]); });
  }
  [[gnu::always_inline]] friend LaneVector exp(const LaneVector& x) {
    return made([&](int i) { return exp_packet(x.parts_[i]); });
  }

  /// This in the lanes [begin, end), `outside` in the others.
  [[gnu::always_inline]] LaneVector inside(int64_t begin, int64_t end, T outside) const {
    const Packet first = packets::pset1<Packet>(static_cast<T>(begin));
    const Packet last = packets::pset1<Packet>(static_cast<T>(end));
    return made([&](int i) {
      const Packet lane = packets::plset<Packet>(static_cast<T>(i * width));
      const Packet in = packets::pand(packets::pcmp_le(first, lane), packets::pcmp_lt(lane, last));
      return packets::pselect(in, parts_[i], packets::pset1<Packet>(outside));
    });
  }

  /// The largest; NaN may be passed over, as by row_max.
  [[gnu::always_inline]] T max() const {
    Packet best = parts_[0];
    for (int i = 1; i < count; ++i) best = packets::pmax(best, parts_[i]);
    return packets::predux_max(best);
  }
  /// As Total has it.
  [[gnu::always_inline]] T sum() const { return sum_of_lanes<T>(parts_); }

 private:
  static constexpr int width = lanes_of<T>, count = lanes / width;

  template <class F>
  [[gnu::always_inline]] static LaneVector made(F part) {
    LaneVector out;
    for (int i = 0; i < count; ++i) out.parts_[i] = part(i);
    return out;
  }

  Packet parts_[count];
};

/// A short row to another place, without a call.
template <class T>
[[gnu::always_inline]] inline void copy_few(const T* from, int64_t n, T* to) {
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) std::memcpy(to + i, from + i, 4 * sizeof(T));
  if ((n & 2) != 0) {
    std::memcpy(to + i, from + i, 2 * sizeof(T));
    i += 2;
  }
  if ((n & 1) != 0) to[i] = from[i];
}

}  // namespace rapt::kernels
