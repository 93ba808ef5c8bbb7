// Rotary positions: against the rotation of complex numbers written out, and against PyTorch.

#include "rapt/autograd/ops/rotary.h"

#include <gtest/gtest.h>

#include <complex>

#include "../support/tensors.h"
#include "rapt/autograd/gradient_check_gtest.h"
#include "rapt/autograd/ops.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;
using tests::normal;
using tests::same_bits;

/// Rows x [T, d] at those places.
Tensor turned(const Tensor& x, const std::vector<double>& places, const RotaryOptions& o) {
  const int64_t d = x.size(-1), width = o.width == 0 ? d : o.width, pairs = width / 2;
  std::vector<double> y = x.values<double>();
  for (size_t t = 0; t < places.size(); ++t) {
    double* const row = y.data() + static_cast<int64_t>(t) * d;
    for (int64_t i = 0; i < pairs; ++i) {
      const bool adjacent = o.pairs == RotaryPairs::adjacent;
      double& a = row[adjacent ? 2 * i : i];
      double& b = row[adjacent ? 2 * i + 1 : i + pairs];
      const double angle =
          places[t] * o.scale *
          std::pow(o.base, -2.0 * static_cast<double>(i) / static_cast<double>(width));
      const std::complex<double> z = std::complex<double>(a, b) * std::polar(1.0, angle);
      a = z.real(), b = z.imag();
    }
  }
  return from_values(y, x.shape());
}

TEST(Rotary, TurnsPairsOfElements) {
  const Tensor x = normal({4, 8});
  for (const RotaryPairs pairs : {RotaryPairs::adjacent, RotaryPairs::halves}) {
    for (const int64_t width : {0, 2, 6, 8}) {
      for (const double scale : {1.0, 0.25}) {
        SCOPED_TRACE(text(width, ", ", scale));
        RotaryOptions o{.base = 100, .pairs = pairs, .width = width, .scale = scale};
        EXPECT_TRUE(close(rotary(x, o), turned(x, {0, 1, 2, 3}, o), 1e-12));
        o.offset = 30;
        EXPECT_TRUE(close(rotary(x, o), turned(x, {30, 31, 32, 33}, o), 1e-12));
        o.offset = 0;
        o.positions = from_values<int64_t>({7, 0, -2, 900});
        EXPECT_TRUE(close(rotary(x, o), turned(x, {7, 0, -2, 900}, o), 1e-12));
        EXPECT_TRUE(GradientsMatch([&](const Tensors& in) -> Tensor { return rotary(in[0], o); },
                                   {x}, {.order = 2}));
      }
    }
  }
}

// Sequences of a batch may stand at places of their own, as in a cache of ragged lengths.
TEST(Rotary, PositionsMayDifferByBatch) {
  const Tensor x = normal({2, 3, 2, 4});  // [B, H, T, d]
  const Tensor positions = from_values<int64_t>({5, 6, 40, 41}, {2, 1, 2});
  const Tensor y = rotary(x, {.positions = positions});
  EXPECT_TRUE(same_bits(y[0], rotary(x[0], {.offset = 5})));
  EXPECT_TRUE(same_bits(y[1], rotary(x[1], {.offset = 40})));
  const Tensor view = transpose(normal({2, 2, 3, 4}), 1, 2);
  EXPECT_TRUE(same_bits(rotary(view, {.positions = positions}),
                        rotary(view.contiguous(), {.positions = positions})));
}

TEST(Rotary, MakesProductsDependOnTheDistance) {
  for (const RotaryPairs pairs : {RotaryPairs::adjacent, RotaryPairs::halves}) {
    const Tensor q = expand(normal({1, 8}, 1), {6, 8}), k = expand(normal({1, 8}, 2), {6, 8});
    const auto products = [&](int64_t offset) {
      const RotaryOptions o{.offset = offset, .pairs = pairs};
      return matmul(rotary(q, o), transpose(rotary(k, o)));
    };
    EXPECT_TRUE(close(products(9), products(0), 1e-12));
    const std::vector<double> s = products(0).values<double>();
    EXPECT_NEAR(s[0 * 6 + 2], s[3 * 6 + 5], 1e-12);
    EXPECT_GT(std::abs(s[0 * 6 + 2] - s[0 * 6 + 3]), 1e-3);
  }
}

// The longest wavelength becomes `factor` times as long, the shortest stays: at a place so many
// times as far, the last pair is turned as before, and the first is not.
TEST(Rotary, AnNtkFactorStretchesTheLongestWavelength) {
  for (const int64_t width : {4, 16, 64}) {
    const Tensor x = normal({1, width});
    const Tensor near = rotary(x, {.offset = 3});
    const Tensor far = rotary(x, {.offset = 24, .ntk_factor = 8});
    const auto pair = [](const Tensor& y, int64_t i) { return slice(y, -1, 2 * i, 2 * i + 2); };
    EXPECT_TRUE(close(pair(far, width / 2 - 1), pair(near, width / 2 - 1), 1e-12));
    EXPECT_TRUE(close(pair(far, 0), pair(rotary(x, {.offset = 24}), 0), 1e-12));
  }
}

TEST(Rotary, ErrorsSayWhatWasWanted) {
  const auto with = [](const Shape& shape, const RotaryOptions& o) {
    return error_of([&] { rotary(ones(shape), o); });
  };
  EXPECT_EQ(with({2, 3}, {}), "rotary: wanted x [..., T, d] with an even d; got [2, 3]");
  EXPECT_EQ(with({4}, {}), "rotary: wanted x [..., T, d] with an even d; got [4]");
  EXPECT_EQ(with({2, 4}, {.width = 3}), "rotary: wanted an even width in [0, 4]; got 3");
  EXPECT_EQ(with({2, 4}, {.width = 6}), "rotary: wanted an even width in [0, 4]; got 6");
  EXPECT_EQ(with({2, 4}, {.base = 0}), "rotary: wanted a finite base > 0; got 0");
  EXPECT_EQ(with({2, 4}, {.scale = -1}), "rotary: wanted a finite scale > 0; got -1");
  EXPECT_EQ(with({2, 4}, {.positions = arange(3)}),
            "rotary: wanted positions that broadcast to [2]; got [3]");
  EXPECT_EQ(with({2, 4}, {.positions = ones({2})}), "rotary: wanted positions of i64; got f32[2]");
  EXPECT_EQ(with({2, 4}, {.offset = 1, .positions = arange(2)}),
            "rotary: wanted positions or an offset; got both");
  EXPECT_EQ(with({2, 4}, {.ntk_factor = 0.5}),
            "rotary: wanted a finite ntk_factor >= 1, above 1 with at least 4 columns to turn; got "
            "0.5 and 4 columns");
  EXPECT_EQ(with({2, 2}, {.ntk_factor = 2}),
            "rotary: wanted a finite ntk_factor >= 1, above 1 with at least 4 columns to turn; got "
            "2 and 2 columns");
}

}  // namespace
}  // namespace rapt
