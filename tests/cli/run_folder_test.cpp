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

}  // namespace
}  // namespace rapt::cli
