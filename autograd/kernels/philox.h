#pragma once

#include <cstdint>

namespace rapt::kernels {

/// Draws come in groups, so that they are made by vector instructions: 16 blocks of 4.
inline constexpr int64_t blocks_per_group = 16;
inline constexpr int64_t draws_per_group = 4 * blocks_per_group;

/// The draws of 16 consecutive counters from `counter` on; out[16 * word + block].
inline void philox_group(uint64_t key, uint64_t counter, uint32_t* out) {
  constexpr uint32_t multiplier0 = 0xD2511F53, multiplier1 = 0xCD9E8D57;
  constexpr uint32_t weyl0 = 0x9E3779B9, weyl1 = 0xBB67AE85;
  uint32_t *c0 = out, *c1 = out + 16, *c2 = out + 32, *c3 = out + 48;
  for (int i = 0; i < 16; ++i) {
    const uint64_t c = counter + static_cast<uint64_t>(i);
    c0[i] = static_cast<uint32_t>(c);
    c1[i] = static_cast<uint32_t>(c >> 32);
    c2[i] = 0;
    c3[i] = 0;
  }
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round, k0 += weyl0, k1 += weyl1) {
    for (int i = 0; i < 16; ++i) {
      const uint64_t p0 = static_cast<uint64_t>(multiplier0) * c0[i];
      const uint64_t p1 = static_cast<uint64_t>(multiplier1) * c2[i];
      const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1[i] ^ k0;
      const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3[i] ^ k1;
      c0[i] = n0;
      c1[i] = static_cast<uint32_t>(p1);
      c2[i] = n2;
      c3[i] = static_cast<uint32_t>(p0);
    }
  }
}

/// 24 random bits as a number in [0, 1).
inline float unit_float(uint32_t draw) { return static_cast<float>(draw >> 8) * 0x1p-24f; }

/// 53 random bits as a number in [0, 1).
inline double unit_double(uint32_t high, uint32_t low) {
  return static_cast<double>((static_cast<uint64_t>(high) << 32 | low) >> 11) * 0x1p-53;
}

}  // namespace rapt::kernels
