#include <gtest/gtest.h>

#include <filesystem>

#include "cli/run_folder.h"
#include "runs.h"

namespace rapt::cli {
namespace {

TEST(RunFolder, RemovesWhatItMadeUnlessItIsKept) {
  const TemporaryFolder folder;
  const std::string path = folder / "a/b/c/";
  {
    const RunFolder made = RunFolder::make(path, "task");
    write_bytes(folder / "a/b/c/file", "x");
    EXPECT_TRUE(std::filesystem::is_directory(path));
  }
  EXPECT_EQ(folder.count(), 0);
  RunFolder::make(path, "task").keep();
  EXPECT_TRUE(std::filesystem::is_directory(path));
  { const RunFolder again = RunFolder::make(path, "task"); }  // it was there before
  EXPECT_TRUE(std::filesystem::is_directory(path));
}

TEST(RunFolder, BelongsToOneAtATime) {
  const TemporaryFolder folder;
  {
    const RunFolder first = RunFolder::make(folder / "run", "task");
    EXPECT_ERROR("another rapt train is at work there", RunFolder::make(folder / "run", "task"));
    EXPECT_ERROR("another rapt train is at work there", RunFolder::open(folder / "run"));
    EXPECT_TRUE(std::filesystem::exists(folder / "run"));
  }
  RunFolder::make(folder / "run", "task");
}

}  // namespace
}  // namespace rapt::cli
