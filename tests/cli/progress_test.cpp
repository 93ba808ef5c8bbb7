#include <gtest/gtest.h>

#include "cli/progress.h"

namespace rapt::cli {
namespace {

StepReport report() {
  return {.step = 12,
          .steps = 3000,
          .loss = 1.25,
          .accuracy = 0.5,
          .tokens_per_second = 12'345,
          .seconds_left = 3725};
}

TEST(LineOf, LeavesOutTheLeastImportantFirst) {
  EXPECT_EQ(line_of(report(), 200),
            "step   12/3000  loss 1.2500  accuracy  50.0 %  12.3k tokens/s  1 h 2 min left");
  EXPECT_EQ(line_of(report(), 70), "step   12/3000  loss 1.2500  accuracy  50.0 %  1 h 2 min left");
  EXPECT_EQ(line_of(report(), 50), "step   12/3000  loss 1.2500  1 h 2 min left");
  EXPECT_EQ(line_of(report(), 30), "step   12/3000  loss 1.2500");
  EXPECT_EQ(line_of(report(), 20), "step   12/3000");
  EXPECT_EQ(line_of(report(), 5), "step ");
}

TEST(DurationText, HasTwoUnitsAtMost) {
  EXPECT_EQ(duration_text(0.4), "0 s");
  EXPECT_EQ(duration_text(59.6), "1 min 0 s");
  EXPECT_EQ(duration_text(200), "3 min 20 s");
  EXPECT_EQ(duration_text(3900), "1 h 5 min");
}

}  // namespace
}  // namespace rapt::cli
