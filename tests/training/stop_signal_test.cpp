#include <gtest/gtest.h>

#include <csignal>

#include "rapt/training/stop_signal.h"

namespace rapt::training {
namespace {

TEST(StopSignal, NotesTheFirstAndPutsTheOldHandlingBack) {
  struct sigaction before {
  }, after{};
  sigaction(SIGINT, nullptr, &before);
  {
    const StopSignal stop;
    EXPECT_EQ(stop.received(), 0);
    std::raise(SIGTERM);
    std::raise(SIGINT);
    std::raise(SIGPIPE);
    std::raise(SIGPIPE);
    EXPECT_EQ(stop.received(), SIGTERM);
  }
  EXPECT_EQ(StopSignal().received(), 0);
  sigaction(SIGINT, nullptr, &after);
  EXPECT_EQ(after.sa_handler, before.sa_handler);
}

TEST(StopSignal, WithinAnotherOneNothingIsForgotten) {
  const StopSignal outer;
  std::raise(SIGTERM);
  {
    const StopSignal inner;
    EXPECT_EQ(inner.received(), SIGTERM);
    std::raise(SIGPIPE);
  }
  EXPECT_EQ(outer.received(), SIGTERM);
}

TEST(StopSignal, LeavesAClosedTerminalIgnoredAsNohupWantsIt) {
  const auto before = std::signal(SIGHUP, SIG_IGN);
  {
    const StopSignal stop;
    std::raise(SIGHUP);
    EXPECT_EQ(stop.received(), 0);
  }
  std::signal(SIGHUP, before);
}

TEST(StopSignalDeathTest, ASecondCtrlCEndsTheProgram) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        const StopSignal stop;
        std::raise(SIGINT);
        std::raise(SIGINT);
      },
      testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace rapt::training
