#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <optional>
#include <string>

#include "run_parts.h"

namespace rapt::training {
namespace {

TEST(TrainState, ARunThatWasStoppedAnywhereEndsAsIfItHadNot) {
  const TemporaryFolder folder;
  constexpr int64_t steps = 20;
  const auto train_to = [&](int64_t stop, const std::string& name, int64_t start) {
    Parts parts;
    State run(folder / name);
    parts.add_all_to(run);
    if (start > 0) parts.train_step(run);  // wherever it was
    EXPECT_EQ(run.resume(), start > 0);
    EXPECT_EQ(run.step(), start);
    while (run.step() < stop) parts.train_step(run);
    run.save();
    return run.checkpoint();
  };
  const data::Checkpoint whole = train_to(steps, "whole", 0);
  // At the start, within an epoch, at its exact end, and a step before the last.
  for (const int64_t stop : {int64_t{1}, batches_per_epoch, 2 * batches_per_epoch + 3, steps - 1}) {
    SCOPED_TRACE(stop);
    const std::string name = "stopped-" + std::to_string(stop);
    train_to(stop, name, 0);
    expect_same(train_to(steps, name, stop), whole);
    EXPECT_EQ(read_bytes(folder / (name + "/step-000000020.rapt")),
              read_bytes(folder / "whole/step-000000020.rapt"));
  }
}

TEST(TrainState, TheFolderIsMadeAndOnlyTheNewestAreKept) {
  const TemporaryFolder folder;
  Small small(folder / "runs/one", {.keep = 2});
  EXPECT_FALSE(std::filesystem::exists(folder / "runs"));
  EXPECT_FALSE(small.run.resume());
  for (int i = 0; i < 4; ++i) {
    small.step();
    small.run.save();
  }
  const auto kept = data::numbered_checkpoints(folder / "runs/one");
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].step, 3);
  EXPECT_EQ(kept[1].step, 4);
}

TEST(TrainState, AFolderThatHoldsARunIsNotWrittenOver) {
  const TemporaryFolder folder;
  {
    Small small(folder.path());
    small.step();
    small.run.save();
  }
  Small other(folder.path());
  EXPECT_ERROR("holds a run already: resume() it first", other.run.save());
  EXPECT_ERROR("holds a run already: resume() it first", other.run.best(1));
  EXPECT_TRUE(other.run.resume());
  other.run.save();

  Small third(folder.path());
  EXPECT_ERROR("another run is at work in", third.run.resume());
}

TEST(TrainState, OneThatBeganInTheMeantimeIsNotWrittenOver) {
  const TemporaryFolder folder;
  Small late(folder / "run");
  EXPECT_FALSE(late.run.resume());  // there was none then
  {
    Small other(folder / "run");
    other.run.resume();
    other.run.save();
  }
  EXPECT_ERROR("holds a run already", late.run.save());
}

TEST(TrainState, TheBestIsKnownThoughNoCheckpointTellsOfIt) {
  const TemporaryFolder folder;
  {
    Small small(folder / "run");
    small.run.save();
    small.step();
    small.run.best(0.1);
  }  // killed before the next save
  {
    Small again(folder / "run");
    again.run.resume();
    EXPECT_EQ(again.run.step(), 0);
    EXPECT_EQ(again.run.best_metric(), 0.1);
    EXPECT_FALSE(again.run.best(0.2));
  }
  {
    Small other(folder / "run", {.larger_is_better = true});
    other.run.resume();
    EXPECT_EQ(other.run.best_metric(), std::nullopt);  // it was the best of something else
  }
  Small third(folder / "run2");
  std::filesystem::create_directory(folder / "run2");
  std::filesystem::copy_file(folder / "run/best.rapt", folder / "run2/best.rapt");
  EXPECT_ERROR("holds a run already", third.run.save());
}

TEST(TrainState, AFolderThatVanishedIsAnError) {
  const TemporaryFolder folder;
  Small small(folder / "run");
  small.run.save();
  std::filesystem::remove_all(folder / "run");
  EXPECT_ERROR("was removed or moved while the run was at work", small.run.save());
  std::filesystem::create_directory(folder / "run");  // another of that name
  EXPECT_ERROR("was removed or moved while the run was at work", small.run.best(1));
  EXPECT_TRUE(std::filesystem::is_empty(folder / "run"));
}

TEST(TrainState, WeightsThatAreNotFiniteAreNotSaved) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const TemporaryFolder folder;
    Small small(folder.path(), {.keep = 1});
    small.run.save();
    small.step();
    {
      const NoGrad no_grad;
      Tensor bias = small.model.parameters()["bias"];
      bias.copy_from(full(bias.shape(), bad));
    }
    EXPECT_ERROR("State::save: model.bias is not finite any more: the run at step 1 is not saved",
                 small.run.save());
    EXPECT_ERROR("State::best: model.bias is not finite any more", small.run.best(0));
    EXPECT_EQ(small.run.best_metric(), std::nullopt);
    EXPECT_EQ(data::latest_checkpoint(folder.path())->step, 0);
    EXPECT_EQ(folder.count(), 1);
  }
}

TEST(TrainState, KeepsTheBest) {
  const TemporaryFolder folder;
  Tensor best_weight;
  {
    Small small(folder.path());
    small.run.resume();
    small.step(1);
    EXPECT_TRUE(small.run.best(0.5));
    small.step(2);
    EXPECT_TRUE(small.run.best(0.25));
    best_weight = small.weight();
    small.step(3);
    EXPECT_FALSE(small.run.best(0.25));
    EXPECT_FALSE(small.run.best(std::numeric_limits<double>::quiet_NaN()));
    EXPECT_EQ(small.run.best_metric(), 0.25);
    EXPECT_EQ(small.run.evaluations_since_best(), 2);
    small.run.save();
  }
  Small later(folder.path());
  later.run.resume();  // knows how good it was
  EXPECT_EQ(later.run.evaluations_since_best(), 2);
  EXPECT_FALSE(later.run.best(0.3));
  const data::Checkpoint best = data::load_checkpoint(folder / "best.rapt");
  EXPECT_TRUE(same_bits(best.tensors["model.weight"], best_weight));
  EXPECT_EQ(best.values.integer("step"), 2);

  Small accuracy(folder / "accuracy", {.larger_is_better = true});
  EXPECT_TRUE(accuracy.run.best(0.5));
  EXPECT_FALSE(accuracy.run.best(0.4));
  EXPECT_TRUE(accuracy.run.best(0.6));
}

}  // namespace
}  // namespace rapt::training
