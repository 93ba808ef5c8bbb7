#include "rapt/autograd/kernels/portable.h"

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

namespace rapt::kernels::portable {
namespace {

double polynomial(double x, std::initializer_list<double> highest_first) {
  double sum = 0;
  for (const double c : highest_first) sum = std::fma(sum, x, c);
  return sum;
}

/// x = quarters * (pi / 2) + rest, |rest| <= pi / 4.
struct Reduced {
  double rest;
  int quarter;  // modulo 4
};

Reduced reduce(double x) {
  const double n = std::nearbyint(x * 0x1.45f306dc9c883p-1);  // 2 / pi
  // pi / 2 in three parts; fma makes each step exact but for its last rounding.
  double rest = std::fma(-n, 0x1.921fb54442d18p+0, x);
  rest = std::fma(-n, 0x1.1a62633145c07p-54, rest);
  rest = std::fma(-n, -0x1.f1976b7ed8fbcp-110, rest);
  return {rest, static_cast<int>(static_cast<int64_t>(n) & 3)};
}

/// Of |x| <= pi / 4, by their Taylor series, whose next terms are below 2^-56 of the result.
double sin_near_0(double x) {
  const double y = x * x;
  const double tail =
      polynomial(y, {1.0 / 355687428096000, -1.0 / 1307674368000, 1.0 / 6227020800, -1.0 / 39916800,
                     1.0 / 362880, -1.0 / 5040, 1.0 / 120, -1.0 / 6});
  return std::fma(x * y, tail, x);
}

double cos_near_0(double x) {
  const double y = x * x;
  const double tail = polynomial(y, {1.0 / 20922789888000, -1.0 / 87178291200, 1.0 / 479001600,
                                     -1.0 / 3628800, 1.0 / 40320, -1.0 / 720, 1.0 / 24});
  // 1 - y / 2 rounds; what it loses goes to the tail.
  const double half = 0.5 * y, top = 1 - half;
  return top + (((1 - top) - half) + y * y * tail);
}

double sin_in_quarter(const Reduced& r, int shift) {
  const int quarter = (r.quarter + shift) & 3;
  const double y = quarter % 2 == 0 ? sin_near_0(r.rest) : cos_near_0(r.rest);
  return quarter < 2 ? y : -y;
}

/// A number as the unevaluated sum of two, for pow, whose exponent multiplies the error of log.
struct Sum {
  double high, low;
};

/// ln x = 2 atanh((m - 1) / (m + 1)) + e ln 2 for x = m 2^e.
Sum log_in_two(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);  // in [1/2, 1)
  if (m < 0x1.6a09e667f3bcdp-1) {       // sqrt(1/2)
    m *= 2;
    --exponent;
  }
  const double top = m - 1, bottom = m + 1;  // top is exact
  const double lost = m - (bottom - 1);      // of bottom
  const double s = top / bottom;
  const double s_low = (std::fma(-s, bottom, top) - s * lost) / bottom;
  const double z = s * s;
  double series = 0;  // z / 3 + z^2 / 5 + ...; |s| <= 0.172
  for (int k = 23; k >= 3; k -= 2) series = std::fma(series, z, 1.0 / k);
  series *= z;
  const double e = exponent;
  const double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;  // e * high: exact
  const double first = e * ln2_high, second = 2 * s;
  const double high = first + second;
  const double rest =
      std::abs(first) >= std::abs(second) ? second - (high - first) : first - (high - second);
  const double low = rest + (2 * s_low + second * series + e * ln2_low);
  const double sum = high + low;
  return {sum, low - (sum - high)};
}

double exp_of(const Sum& x) {
  if (!(x.high < 710)) return x.high * std::numeric_limits<double>::infinity();  // NaN stays
  if (x.high < -746) return 0;
  const double n = std::nearbyint(x.high * 0x1.71547652b82fep+0);  // 1 / ln 2
  double r = std::fma(-n, 0x1.62e42fefa39efp-1, x.high);
  r += std::fma(-n, 0x1.abc9e3b39803fp-56, x.low);
  const double tail =
      polynomial(r, {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880,
                     1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5});
  return std::ldexp(1 + std::fma(r * r, tail, r), static_cast<int>(n));
}

}  // namespace

double sin(double x) { return sin_in_quarter(reduce(x), 0); }
double cos(double x) { return sin_in_quarter(reduce(x), 1); }
double exp(double x) { return exp_of({x, 0}); }

double pow(double base, double exponent) {
  const Sum l = log_in_two(base);
  const double high = l.high * exponent;
  return exp_of({high, std::fma(l.high, exponent, -high) + l.low * exponent});
}

}  // namespace rapt::kernels::portable
