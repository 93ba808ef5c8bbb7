#pragma once

// Private to rapt's own sources: 16-bit floats, which are read but not computed with.

#include <bit>
#include <cmath>
#include <cstdint>

namespace rapt::data::detail {

/// bfloat16: the upper half of an f32.
inline float from_bfloat16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

/// IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of fraction. Every value is an f32.
inline float from_float16(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t exponent = (bits >> 10) & 0x1Fu;
  const uint32_t fraction = bits & 0x3FFu;
  if (exponent == 0) {  // zero, or subnormal: fraction * 2^-24
    const float value = std::ldexp(static_cast<float>(fraction), -24);
    return sign ? -value : value;
  }
  // inf and NaN keep the largest exponent; the others move to the new bias.
  const uint32_t widened = exponent == 31 ? 255 : exponent - 15 + 127;
  return std::bit_cast<float>(sign | (widened << 23) | (fraction << 13));
}

}  // namespace rapt::data::detail
