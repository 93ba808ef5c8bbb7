#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "../data/files.h"
#include "../support/tensors.h"
#include "rapt/rapt.h"

namespace rapt::training {
namespace {

using data::read_bytes;
using data::TemporaryFolder;
using data::write_bytes;
using tests::same_bits;

constexpr int64_t examples = 96, batch_size = 16, batches_per_epoch = examples / batch_size;

optim::Schedule schedule_of(int64_t total) {
  return optim::Schedule::cosine({.lr = 5e-3, .warmup = 3, .total = total});
}

/// All that a training has which changes: a model with dropout, what trains it, data in another
/// order each epoch, an average of the weights, a rate that falls on plateaus, a generator of the
/// user's, and values of the user's.
struct Parts {
  data::TaskDataset dataset{
      {.task = data::Task::reverse, .max_length = 4, .symbols = 6, .size = examples}};
  Rng rng{1};
  nn::DecoderOnly model{{.vocabulary = dataset.vocabulary_size(),
                         .context = dataset.context(),
                         .width = 16,
                         .block = {.attention = {.heads = 2}},
                         .dropout = 0.1},
                        rng};
  optim::AdamW adam{model.parameters()};
  optim::Schedule schedule = schedule_of(20);
  optim::ReduceOnPlateau plateau{{.factor = 0.5, .patience = 0}};
  optim::WeightAverage average = optim::WeightAverage::exponential(model.parameters(), 0.9);
  data::Loader loader{dataset, {.batch_size = batch_size}};
  double loss = 0;
  int restarts = 0;
  std::string note;
  bool is_late = false;

  void add_all_to(State& run) {
    run.add("model", model);
    run.add("optimizer", adam);
    run.add("schedule", schedule);
    run.add("plateau", plateau);
    run.add("average", average);
    run.add("loader", loader);
    run.add("rng", rng);
    run.add("loss", loss);
    run.add("restarts", restarts);
    run.add("note", note);
    run.add("is_late", is_late);
  }

  void train_step(State& run) {
    const NamedTensors batch = loader.next();
    adam.zero_grad();
    const Tensor mean = cross_entropy(model(batch["tokens"]), batch["targets"]).mean();
    mean.backward();
    adam.set_lr(schedule.at(run.step()) * plateau.after(mean.item()) + 1e-4 * rng.uniform());
    adam.step();
    average.update();
    loss = mean.item();
    note = "loss " + std::to_string(loss) + "\n";
    is_late = run.step() > 10;
    run.advance();
  }
};

/// A run with nothing but a small model and its optimizer.
struct Small {
  explicit Small(const std::string& folder, const StateOptions& options = {})
      : run(folder, options) {
    run.add("model", model);
    run.add("optimizer", adam);
  }
  void step(double towards = 1) {
    adam.zero_grad();
    mse_loss(model(ones({1, 2})), full({1, 3}, towards)).mean().backward();
    adam.step();
    run.advance();
  }
  Tensor weight() const { return model.parameters()["weight"].detach().clone(); }

  Rng rng{1};
  nn::Linear model{2, 3, rng};
  optim::Adam adam{model.parameters(), {.lr = 0.1}};
  State run;
};

void expect_same(const data::Checkpoint& a, const data::Checkpoint& b) {
  EXPECT_EQ(a.values, b.values);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) {
    EXPECT_TRUE(same_bits(tensor, b.tensors[name])) << name;
  }
}

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

TEST(TrainState, NamesWhatWasForgottenAndWhatIsForeign) {
  const TemporaryFolder folder;
  {
    Parts parts;
    State run(folder.path());
    parts.add_all_to(run);
    run.save();
  }
  Parts parts;
  State run(folder.path());
  run.add("model", parts.model);
  run.add("adam", parts.adam);
  run.add("schedule", parts.schedule);
  run.add("rng", parts.rng);
  run.add("loss", parts.loss);
  run.add("restarts", parts.restarts);
  run.add("is_late", parts.is_late);
  const std::string problems = tests::error_of([&] { run.resume(); });
  EXPECT_PRED2(data::has, problems,
               "saved, and not added here: optimizer, plateau, average, loader, note");
  EXPECT_PRED2(data::has, problems, "added here, and not saved: adam");

  EXPECT_ERROR("without lader: there is no such part", run.resume({.without = {"lader"}}));

  // What is meant to begin anew is said.
  const Tensor before = parts.adam.state()["lr"].clone();
  EXPECT_TRUE(
      run.resume({.without = {"optimizer", "plateau", "average", "loader", "note", "adam"}}));
  EXPECT_TRUE(same_bits(parts.adam.state()["lr"], before));
}

TEST(TrainState, ChecksAllPartsBeforeItWritesOne) {
  const TemporaryFolder folder;
  {
    Small small(folder.path());
    small.step();
    small.run.save();
  }
  {  // the optimizer is another
    Rng rng(2);
    nn::Linear model(2, 3, rng);
    optim::AdamW adam(model.parameters());
    State run(folder.path());
    run.add("model", model);
    run.add("optimizer", adam);
    const Tensor before = model.parameters()["weight"].detach().clone();
    EXPECT_ERROR(
        "step-000000001.rapt: optimizer: load_state: wanted the state of AdamW; got that "
        "of Adam",
        run.resume());
    EXPECT_TRUE(same_bits(model.parameters()["weight"], before));
    EXPECT_EQ(run.step(), 0);
  }
  {  // the model is wider
    Rng rng(2);
    nn::Linear model(2, 4, rng);
    optim::Adam adam(model.parameters());
    State run(folder.path());
    run.add("optimizer", adam);
    run.add("model", model);
    EXPECT_ERROR("wanted f32[4, 2]; got f32[3, 2]", run.resume());
  }
}

TEST(TrainState, EachKindOfPartIsCheckedBeforeAnyIsWritten) {
  const TemporaryFolder folder;
  Parts saved;
  {
    State run(folder / "good");
    saved.add_all_to(run);
    saved.train_step(run);
    run.save();
  }
  const std::string path = folder / "good/step-000000001.rapt";
  const data::Checkpoint good = data::load_checkpoint(path);
  struct Damage {
    const char* part;
    void (*to)(data::Checkpoint& c);
  };
  const auto set = [](data::Checkpoint& c, const char* name, const Tensor& value) {
    NamedTensors tensors;
    for (const auto& [key, tensor] : c.tensors) tensors.add(key, key == name ? value : tensor);
    tensors.set_configuration(c.tensors.configuration());
    c.tensors = tensors;
  };
  static const auto replace = set;
  for (const Damage& damage : std::initializer_list<Damage>{
           {"optimizer", [](auto& c) { replace(c, "optimizer.lr", tensor(-1.0, Dtype::f64)); }},
           {"average", [](auto& c) { replace(c, "average.updates", tensor(-1, Dtype::i64)); }},
           {"loader", [](auto& c) { replace(c, "loader.size", tensor(7, Dtype::i64)); }},
           {"loader", [](auto& c) { replace(c, "loader.examples", tensor(7, Dtype::i64)); }},
           {"rng", [](auto& c) { replace(c, "rng.state", tensor(7, Dtype::i64)); }},
           {"plateau", [](auto& c) { c.values.set("plateau.lr", -1.0); }},
           {"schedule", [](auto& c) { c.values.set("schedule.total", 30); }},
           {"loss", [](auto& c) { c.values.set("loss.value", "much"); }},
           {"restarts", [](auto& c) { c.values.set("restarts.value", int64_t{1} << 40); }},
           {"is_late", [](auto& c) { c.values.set("is_late.value", "perhaps"); }}}) {
    SCOPED_TRACE(damage.part);
    data::Checkpoint bad = good;
    damage.to(bad);
    const TemporaryFolder other;
    data::save_numbered(other.path(), 1, bad);
    Parts parts;
    State run(other.path());
    parts.add_all_to(run);
    const data::Checkpoint before = run.checkpoint();
    NamedTensors copies;
    for (const auto& [name, tensor] : before.tensors) copies.add(name, tensor.clone());
    EXPECT_ERROR(std::string("rapt: ") + damage.part + ": ", run.resume());
    expect_same(run.checkpoint(), {copies, before.values});
  }
}

TEST(TrainState, ASettingOfTheScheduleThatDiffersIsNamed) {
  const TemporaryFolder folder;
  optim::Schedule schedule = schedule_of(20);
  double own = 1;
  {
    State run(folder.path());
    run.add("schedule", schedule);
    run.add("own", own);
    run.save();
  }
  schedule = schedule_of(40);
  State run(folder.path());
  run.add("schedule", schedule);
  run.add("own", own);
  EXPECT_ERROR("schedule: other settings than the run had:\n  total: 20 was saved; here it is 40",
               run.resume());
  EXPECT_TRUE(run.resume({.without = {"schedule"}}));
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

TEST(TrainState, WeightsThatAreTrainedAndNotSavedAreNamed) {
  const TemporaryFolder folder;
  Rng rng(1);
  nn::Linear model(2, 3, rng), other(2, 3, rng);
  optim::Adam adam(model.parameters());
  State run(folder / "run");
  run.add("model", other);
  run.add("optimizer", adam);
  EXPECT_ERROR("State::save: optimizer trains weight, which is in no module that was added",
               run.save());
  EXPECT_EQ(folder.count(), 0);
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

TEST(TrainState, ADamagedCheckpointNamesTheWholeOneBefore) {
  const TemporaryFolder folder;
  {
    Small small(folder.path(), {.keep = 3});
    for (int i = 0; i < 3; ++i) {
      small.step();
      small.run.save();
    }
  }
  const std::string newest = folder / "step-000000003.rapt";
  std::string bytes = read_bytes(newest);
  bytes[bytes.size() - 1] ^= 1;
  write_bytes(newest, bytes);
  write_bytes(folder / "step-000000002.rapt", "");
  {
    Small small(folder.path());
    const std::string message = tests::error_of([&] { small.run.resume(); });
    EXPECT_PRED2(data::has, message, "the newest whole one is " + (folder / "step-000000001.rapt"));
    EXPECT_PRED2(data::has, message, "move " + newest + " away");
    EXPECT_EQ(small.run.step(), 0);
  }
  write_bytes(folder / "step-000000001.rapt", "");
  Small small(folder.path());
  EXPECT_ERROR("no other checkpoint there is whole", small.run.resume());
}

TEST(TrainState, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  EXPECT_ERROR("State: wanted the path of a folder; got \"\"", State(""));
  EXPECT_ERROR("State: wanted to keep at least 1 checkpoint; got keep = 0",
               State(folder.path(), {.keep = 0}));
  State run(folder / "run");
  EXPECT_ERROR("State::save: wanted parts, by add(); got none", run.save());
  double value = 0;
  EXPECT_ERROR("State::add: wanted a name without dots and blanks; got \"\"", run.add("", value));
  EXPECT_ERROR("got \"a.b\"", run.add("a.b", value));
  run.add("a", value);
  EXPECT_ERROR("State::add: the name a is already taken", run.add("a", value));
  run.save();
  EXPECT_ERROR("State::add: b comes after resume() or save()", run.add("b", value));
  write_bytes(folder / "file", "x");
  EXPECT_ERROR("could not", [&] {
    State other(folder / "file");
    other.add("a", value);
    other.save();
  }());
}

}  // namespace
}  // namespace rapt::training
