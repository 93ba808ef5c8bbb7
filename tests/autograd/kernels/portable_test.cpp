#include "rapt/autograd/kernels/portable.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "rapt/autograd/random.h"

namespace rapt::kernels::portable {
namespace {

/// The distance of two numbers in units of the last place of the second.
double units_apart(double found, long double exact) {
  const double rounded = static_cast<double>(exact);
  const double unit = std::nextafter(std::abs(rounded), INFINITY) - std::abs(rounded);
  return static_cast<double>(std::abs(static_cast<long double>(found) - exact)) / unit;
}

/// The worst of many arguments between low and high, whose sizes spread over all scales.
template <class F, class Exact>
double worst(double low, double high, F f, Exact exact) {
  Rng rng(1);
  double found = 0;
  for (int i = 0; i < 200000; ++i) {
    double x = low + (high - low) * rng.uniform();
    if (i % 2 == 0) x *= std::ldexp(1.0, static_cast<int>(rng.integer(-40, 1)));
    found = std::max(found, units_apart(f(x), exact(x)));
  }
  return found;
}

TEST(Portable, AgreesWithTheExactFunctions) {
  const auto sine = [](long double x) { return std::sin(x); };
  const auto cosine = [](long double x) { return std::cos(x); };
  EXPECT_LT(worst(-10, 10, sin, sine), 1.5);
  EXPECT_LT(worst(-10, 10, cos, cosine), 1.5);
  EXPECT_LT(worst(-1e9, 1e9, sin, sine), 1.5);
  EXPECT_LT(worst(-1e9, 1e9, cos, cosine), 1.5);
  EXPECT_LT(worst(-700, 700, exp, [](long double x) { return std::exp(x); }), 1);
}

TEST(Portable, PowersOfSettings) {
  for (const double base : {0.9, 0.999, 0.99999, 0.5, 2.0, 10.0, 10000.0, 1e6}) {
    const auto power = [base](double y) { return pow(base, y); };
    const auto exact = [base](long double y) {
      return std::pow(static_cast<long double>(base), y);
    };
    EXPECT_LT(worst(-1, 1, power, exact), 1) << base;
    EXPECT_LT(worst(0, 500 / std::abs(std::log(base)), power, exact), 2) << base;
  }
  EXPECT_EQ(pow(10000.0, 0), 1);
  EXPECT_EQ(pow(0.9, 1), 0.9);
  EXPECT_EQ(pow(0.9, 1e9), 0);
}

TEST(Portable, Edges) {
  EXPECT_EQ(exp(0), 1);
  EXPECT_EQ(exp(-1000), 0);
  EXPECT_EQ(exp(1000), INFINITY);
  EXPECT_TRUE(std::isnan(exp(NAN)));
  EXPECT_EQ(sin(0), 0);
  EXPECT_EQ(cos(0), 1);
  EXPECT_LT(units_apart(pow(5e-324, 0.5), std::sqrt(static_cast<long double>(5e-324))), 2);
}

}  // namespace
}  // namespace rapt::kernels::portable
