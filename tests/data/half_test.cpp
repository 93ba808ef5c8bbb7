#include "rapt/data/detail/half.h"

#include <gtest/gtest.h>

#include <cmath>

namespace rapt::data::detail {
namespace {

/// The value of sign, exponent and fraction by the definition of IEEE 754.
double by_definition(uint16_t bits, int exponent_bits) {
  const int fraction_bits = 15 - exponent_bits;
  const int largest = (1 << exponent_bits) - 1;
  const int exponent = (bits >> fraction_bits) & largest;
  const int fraction = bits & ((1 << fraction_bits) - 1);
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == largest) return fraction ? std::nan("") : sign * HUGE_VAL;
  const int bias = largest / 2;
  const double mantissa = std::ldexp(fraction, -fraction_bits);
  return sign * (exponent == 0 ? std::ldexp(mantissa, 1 - bias)
                               : std::ldexp(1 + mantissa, exponent - bias));
}

TEST(Half, EveryNumberIsWhatItsBitsSay) {
  for (int i = 0; i <= 0xFFFF; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    const std::pair<double, float> pairs[] = {{by_definition(bits, 5), from_float16(bits)},
                                              {by_definition(bits, 8), from_bfloat16(bits)}};
    for (const auto& [wanted, got] : pairs) {
      if (std::isnan(wanted)) {
        ASSERT_TRUE(std::isnan(got)) << i;
      } else {
        ASSERT_EQ(static_cast<double>(got), wanted) << i;
        ASSERT_EQ(std::signbit(got), std::signbit(wanted)) << i;
      }
    }
  }
  EXPECT_EQ(from_float16(0x3C00), 1.0f);
  EXPECT_EQ(from_float16(0xC100), -2.5f);
  EXPECT_EQ(from_bfloat16(0x3F80), 1.0f);
}

}  // namespace
}  // namespace rapt::data::detail
