// What State refuses, and by which names.

#include <gtest/gtest.h>

#include <filesystem>
#include <initializer_list>
#include <string>

#include "run_parts.h"

namespace rapt::training {
namespace {

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
