#include <gtest/gtest.h>

#include "cli/options.h"

namespace rapt::cli {
namespace {

TEST(Options, FlagsLieOverTheDefaultsOfTheTask) {
  TrainFlags flags;
  flags.task = "sort";
  flags.layers = 7;
  const RunOptions options = new_run(flags);
  EXPECT_EQ(options.layers, 7);
  EXPECT_EQ(options.width, defaults_for("sort").width);
  EXPECT_EQ(options.context, 2 * options.max_length + 1);
  for (const char* task : {"copy", "reverse"}) {
    flags.task = task;
    EXPECT_EQ(new_run(flags).task, task);
  }
}

TEST(Options, AShortRunHasAShortWarmUp) {
  TrainFlags flags;
  flags.steps = 10;
  EXPECT_EQ(new_run(flags).warmup, 5);
  flags.steps = 1;
  EXPECT_EQ(new_run(flags).warmup, 0);
}

TEST(Options, ComeBackFromValuesToTheBit) {
  RunOptions options = defaults_for("sort");
  options.context = 33;
  options.lr = 0.1 + 0.2;
  options.dropout = 1.0 / 3;
  options.seed = ~uint64_t{0};
  options.steps = 4321;
  const Values values = to_values(options);
  const RunOptions back = from_values(values);
  EXPECT_EQ(back.lr, options.lr);
  EXPECT_EQ(back.dropout, options.dropout);
  EXPECT_EQ(back.seed, options.seed);
  EXPECT_EQ(back.steps, options.steps);
  EXPECT_EQ(to_values(back), values);
}

}  // namespace
}  // namespace rapt::cli
