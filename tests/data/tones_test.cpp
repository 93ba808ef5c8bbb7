#include "rapt/data/tones.h"

#include <cmath>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "files.h"
#include "rapt/autograd/ops.h"

namespace rapt::data {
namespace {

using Integers = std::vector<int64_t>;

// Without noise: a frame of symbol k is k periods, so its only Fourier coefficient is the k-th.
TEST(Tones, AreSinesWithSilenceAround) {
  const TonesDataset dataset({.noise = 0, .size = 30});
  const int64_t n = dataset.options().frame;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const NamedTensors example = dataset.get(i);
    const Tensor frames = example["frames"];
    ASSERT_LE(frames.size(0), dataset.frames());
    ASSERT_EQ(frames.size(1), n);
    Integers heard;
    int64_t before = 0;
    for (int64_t t = 0; t < frames.size(0); ++t) {
      const std::vector<float> samples = frames[t].values<float>();
      int64_t symbol = 0;
      for (int64_t k = 1; k <= dataset.options().symbols; ++k) {
        double re = 0, im = 0;
        for (int64_t s = 0; s < n; ++s) {
          const double angle =
              2 * 3.14159265358979 * static_cast<double>(k * s) / static_cast<double>(n);
          re += samples[static_cast<size_t>(s)] * std::cos(angle);
          im += samples[static_cast<size_t>(s)] * std::sin(angle);
        }
        const double size = 2 * std::sqrt(re * re + im * im) / static_cast<double>(n);
        EXPECT_TRUE(size < 1e-5 || std::abs(size - 1) < 1e-5) << size;
        if (size > 0.5) symbol = k;
      }
      if (symbol != before && symbol != 0) heard.push_back(symbol);
      before = symbol;
    }
    EXPECT_EQ(before, 0);
    EXPECT_EQ(heard, example["targets"].values<int64_t>());
  }
}

TEST(Tones, AreAFunctionOfSeedAndIndexAndShareNoSequence) {
  const TonesDataset a({.seed = 1, .size = 300}), b({.seed = 1, .size = 500});
  const TonesDataset test({.seed = 2, .split = Split::test, .size = 300});
  std::set<Integers> train;
  for (int64_t i = 0; i < 300; ++i) {
    train.insert(a.get(i)["targets"].values<int64_t>());
    EXPECT_EQ(a.get(i)["frames"].values<float>(), b.get(i)["frames"].values<float>());
  }
  for (int64_t i = 0; i < 300; ++i) {
    EXPECT_FALSE(train.contains(test.get(i)["targets"].values<int64_t>()));
  }
}

TEST(Tones, HaveTheNoiseThatIsAskedFor) {
  const TonesDataset quiet({.noise = 0, .size = 5}), loud({.noise = 2, .size = 5});
  const Tensor noise = loud.get(3)["frames"] - quiet.get(3)["frames"];
  EXPECT_NEAR(stddev(noise).item(), 2, 0.2);
}

TEST(Tones, NameWhatTheyCannotTake) {
  EXPECT_ERROR("wanted 2 to 16 symbols; got 17", TonesDataset({.symbols = 17}));
  EXPECT_ERROR("a frame of at least 18 samples for 8 symbols; got 17", TonesDataset({.frame = 17}));
  EXPECT_ERROR("got 0 and 4", TonesDataset({.min_frames = 0}));
  EXPECT_ERROR("got 5 and 4", TonesDataset({.min_frames = 5}));
  EXPECT_ERROR("noise of at least 0; got -1", TonesDataset({.noise = -1}));
  EXPECT_ERROR("wanted 1 <= min_length <= max_length; got 9 and 8",
               TonesDataset({.min_length = 9}));
}

}  // namespace
}  // namespace rapt::data
