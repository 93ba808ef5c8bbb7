#pragma once

// Private to rapt's own sources: numbers that look random, as functions of numbers.

#include <cstdint>

namespace rapt::data::detail {

/// Scatters 64 bits one to one (the finalizer of SplitMix64: Steele, Lea, Flood, OOPSLA 2014).
inline uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// A hash of two numbers in their order.
inline uint64_t mix(uint64_t a, uint64_t b) { return mix(mix(a) ^ b); }

}  // namespace rapt::data::detail
