#include "rapt/data/numbered.h"

#include <gtest/gtest.h>

#include "files.h"

namespace rapt::data {
namespace {

Checkpoint checkpoint_of(int64_t step) {
  Checkpoint out;
  out.values.set("step", step);
  return out;
}

std::vector<int64_t> steps_in(const std::string& folder) {
  std::vector<int64_t> out;
  for (const NumberedCheckpoint& checkpoint : numbered_checkpoints(folder)) {
    EXPECT_EQ(load_checkpoint(checkpoint.path).values.integer("step"), checkpoint.step);
    out.push_back(checkpoint.step);
  }
  return out;
}

using Integers = std::vector<int64_t>;

TEST(Numbered, KeepsTheLastFew) {
  const TemporaryFolder folder;
  const std::string run = folder / "run";
  for (const int64_t step : {0, 5, 10, 200, 1000}) save_numbered(run, step, checkpoint_of(step), 3);
  EXPECT_EQ(steps_in(run), (Integers{10, 200, 1000}));
  save_numbered(run, 2000, checkpoint_of(2000), 1);
  EXPECT_EQ(steps_in(run), (Integers{2000}));
}

TEST(Numbered, NamesTheFileAndFindsTheLatest) {
  const TemporaryFolder folder;
  EXPECT_FALSE(latest_checkpoint(folder.path()).has_value());
  EXPECT_FALSE(latest_checkpoint(folder / "none").has_value());
  EXPECT_EQ(save_numbered(folder.path(), 42, checkpoint_of(42)), folder / "step-000000042.rapt");
  save_numbered(folder.path(), 12'345'678'901, checkpoint_of(12'345'678'901));
  const auto latest = latest_checkpoint(folder.path());
  ASSERT_TRUE(latest.has_value());
  EXPECT_EQ(latest->step, 12'345'678'901);
  EXPECT_EQ(latest->path, folder / "step-12345678901.rapt");
}

TEST(Numbered, ARunThatWasSetBackGoesOnFromThere) {
  const TemporaryFolder folder;
  for (const int64_t step : {10, 20, 30, 40}) {
    save_numbered(folder.path(), step, checkpoint_of(step), 4);
  }
  save_numbered(folder.path(), 25, checkpoint_of(25), 2);
  EXPECT_EQ(steps_in(folder.path()), (Integers{20, 25}));
}

TEST(Numbered, SavingAStepAgainReplacesIt) {
  const TemporaryFolder folder;
  save_numbered(folder.path(), 10, checkpoint_of(10), 2);
  save_numbered(folder.path(), 10, checkpoint_of(10), 2);
  EXPECT_EQ(steps_in(folder.path()), (Integers{10}));
}

TEST(Numbered, LeavesOtherFilesAlone) {
  const TemporaryFolder folder;
  const char* others[] = {"metrics.jsonl",          "step-1.rapt",          "step-.rapt",
                          "step-000000x01.rapt",    "step-0000000001.rapt", "step--00000001.rapt",
                          "step-000000001.rapt.tmp"};
  for (const char* name : others) write_bytes(folder / name, "mine");
  save_numbered(folder.path(), 5, checkpoint_of(5), 1);
  EXPECT_EQ(steps_in(folder.path()), (Integers{5}));
  for (const char* name : others) EXPECT_EQ(read_bytes(folder / name), "mine") << name;
}

TEST(Numbered, RemovesNothingWhenTheSaveFails) {
  const TemporaryFolder folder;
  save_numbered(folder.path(), 1, checkpoint_of(1), 1);
  EXPECT_ERROR("undefined", save_numbered(folder.path(), 2, {{{"x", Tensor()}}, {}}, 1));
  EXPECT_EQ(steps_in(folder.path()), (Integers{1}));
}

TEST(Numbered, RefusesWhatCannotWork) {
  const TemporaryFolder folder;
  EXPECT_ERROR("step of at least 0; got -1", save_numbered(folder.path(), -1, {}));
  EXPECT_ERROR("keep at least 1 checkpoint; got 0", save_numbered(folder.path(), 1, {}, 0));
  EXPECT_ERROR("could not make the folder " + (folder / "a/b"),
               save_numbered(folder / "a/b", 1, {}));
  write_bytes(folder / "file", "");
  EXPECT_ERROR("could not make the folder", save_numbered(folder / "file", 1, {}));
  EXPECT_ERROR("could not list", numbered_checkpoints(folder / "file"));
}

}  // namespace
}  // namespace rapt::data
