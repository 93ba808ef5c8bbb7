#include "rapt/optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "../reference/reference.h"

namespace rapt::optim {
namespace {

using reference::error_of;

TEST(Constant, StaysTheSame) {
  const Constant schedule{.lr = 0.25};
  EXPECT_EQ(schedule.at(0), 0.25);
  EXPECT_EQ(schedule.at(1000000), 0.25);
}

TEST(WarmupCosine, AgreesWithPyTorch) {
  const WarmupCosine schedule{.peak = 3e-3, .warmup = 5, .total = 20, .floor = 3e-4};
  const auto wanted = reference::file("optim")["schedule.warmup_cosine"].values<double>();
  ASSERT_EQ(wanted.size(), 21u);
  for (size_t step = 0; step < wanted.size(); ++step) {
    EXPECT_NEAR(schedule.at(static_cast<int64_t>(step)), wanted[step], 1e-12) << step;
  }
}

TEST(WarmupCosine, MovesFromTheFirstStepAndStaysAtItsFloor) {
  const WarmupCosine schedule{.peak = 1, .warmup = 4, .total = 12, .floor = 0.1};
  EXPECT_EQ(schedule.at(0), 0.25);
  EXPECT_EQ(schedule.at(3), 1);
  EXPECT_EQ(schedule.at(4), 1);
  EXPECT_NEAR(schedule.at(8), 0.55, 1e-12);
  EXPECT_NEAR(schedule.at(12), 0.1, 1e-12);
  EXPECT_NEAR(schedule.at(1000), 0.1, 1e-12);
  EXPECT_EQ((WarmupCosine{.peak = 1, .warmup = 0, .total = 1}).at(0), 1);
}

TEST(WarmupInverseSqrt, FollowsThePaper) {
  const WarmupInverseSqrt schedule{.width = 512, .warmup = 4000, .factor = 2};
  for (const int64_t step : {0, 10, 3998, 3999, 4000, 100000}) {
    const double n = static_cast<double>(step + 1);
    const double wanted =
        2 * std::pow(512, -0.5) * std::min(std::pow(n, -0.5), n * std::pow(4000, -1.5));
    EXPECT_NEAR(schedule.at(step), wanted, 1e-15) << step;
  }
  EXPECT_NEAR(schedule.at(3999), 2 * 6.9877e-4, 1e-7);  // the peak, 1 / sqrt(512 * 4000)
}

TEST(Schedule, SaysWhichSettingIsWrong) {
  EXPECT_EQ(error_of([] { Constant{}.at(-1); }), "Constant: wanted step >= 0; got -1");
  EXPECT_EQ(error_of([] { (WarmupCosine{.peak = 1, .total = 3}).at(-1); }),
            "WarmupCosine: wanted step >= 0; got -1");
  EXPECT_EQ(error_of([] { (WarmupCosine{.peak = 1, .warmup = 3, .total = 3}).at(0); }),
            "WarmupCosine: wanted 0 <= warmup < total; got warmup 3 and total 3");
  EXPECT_EQ(error_of([] { WarmupInverseSqrt{}.at(0); }),
            "WarmupInverseSqrt: wanted width >= 1 and warmup >= 1; got 0 and 4000");
  EXPECT_EQ(error_of([] { (WarmupInverseSqrt{.width = 8}).at(-1); }),
            "WarmupInverseSqrt: wanted step >= 0; got -1");
}

}  // namespace
}  // namespace rapt::optim
