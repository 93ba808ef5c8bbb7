// Whole trainings, short: what a user does works from end to end.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "rapt/rapt.h"
#include "support/tensors.h"

namespace rapt {
namespace {

using tests::same_bits;

/// A model and all that changes while it is trained.
struct Trial {
  data::TaskDataset dataset;
  Rng rng{1};
  nn::DecoderOnly model;
  optim::AdamW adam;
  optim::Schedule schedule;
  data::Loader loader;
  int64_t step = 0;

  Trial(data::Task task, double dropout, int64_t steps, int64_t batch = 32)
      : dataset({.task = task, .max_length = 4, .symbols = 6}),
        model({.vocabulary = dataset.vocabulary_size(),
               .context = dataset.context(),
               .width = 32,
               .block = {.attention = {.heads = 4, .positions = nn::AttentionPositions::rotary()}},
               .dropout = dropout},
              rng),
        adam(optim::decay_groups(model.parameters(), 0.01), {.beta2 = 0.99}),
        schedule(optim::Schedule::cosine({.lr = 5e-3, .warmup = steps / 10, .total = steps})),
        loader(dataset, {.batch_size = batch}) {}

  double train_step() {
    const NamedTensors batch = loader.next();
    const Tensor loss = cross_entropy(model(batch["tokens"]), batch["targets"]).mean();
    adam.zero_grad();
    loss.backward();
    optim::clip_grad_norm(model.parameters(), 1);
    adam.set_lr(schedule.at(step++));
    adam.step();
    return loss.item();
  }

  data::Checkpoint checkpoint() const {
    data::Checkpoint out;
    out.tensors.add_all("model.", model.state());
    out.tensors.add_all("adam.", adam.state());
    out.tensors.add_all("loader.", loader.state());
    out.values.set("step", step);
    return out;
  }

  void restore(const data::Checkpoint& c) {
    model.load_state(c.tensors.with_prefix("model."));
    adam.load_state(c.tensors.with_prefix("adam."));
    loader.load_state(c.tensors.with_prefix("loader."));
    step = c.values.integer("step");
  }
};

/// A file of this test's own, removed at the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name)
      : path_(std::filesystem::path(::testing::TempDir()) /
              (std::to_string(getpid()) + "_" + name)) {}
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  operator std::string() const { return path_; }

 private:
  std::string path_;
};

TEST(Training, LearnsASmallTask) {
  Trial trial(data::Task::copy, 0, 250);
  const double first = trial.train_step();
  EXPECT_NEAR(first, std::log(8.0), 0.3);  // it starts knowing nothing
  while (trial.step < 250) trial.train_step();

  trial.model.eval();
  const NoGrad no_grad;
  const data::TaskDataset unseen(
      {.task = data::Task::copy, .max_length = 4, .symbols = 6, .split = data::Split::test});
  const NamedTensors batch = data::Loader(unseen, {.batch_size = 200}).next();
  const Tensor logits = trial.model(batch["tokens"]);
  const double count = cross_entropy(logits, batch["targets"]).count;
  const double right = sum(equal(argmax(logits, -1), batch["targets"]).to(Dtype::i64)).item();
  EXPECT_GT(right / count, 0.9);
}

TEST(Training, EveryParameterIsReached) {
  for (const bool tied : {false, true}) {
    for (const nn::Positions positions :
         {nn::Positions::learned, nn::Positions::sinusoidal, nn::Positions::none}) {
      Rng rng(1);
      nn::DecoderOnly model({.vocabulary = 7,
                             .context = 5,
                             .width = 16,
                             .block = {.attention = {.heads = 2}},
                             .positions = positions,
                             .tie_weights = tied},
                            rng);
      const Tensor ids = rng.integers(0, 7, {3, 5});
      cross_entropy(model(ids), ids).mean().backward();
      EXPECT_EQ(nn::check_gradient_flow(model.parameters()).text, "");
    }
  }
}

TEST(Training, AResumedRunIsTheSameRunBitForBit) {
  for (const data::Task task : {data::Task::reverse, data::Task::sort}) {
    std::vector<double> wanted;
    Trial whole(task, 0.2, 40);
    while (whole.step < 40) wanted.push_back(whole.train_step());

    const TemporaryFile file("resume.rapt");
    for (const int64_t stop : {0, 1, 17, 39}) {
      SCOPED_TRACE(stop);
      {
        Trial first(task, 0.2, 40);
        while (first.step < stop) first.train_step();
        data::save_checkpoint(file, first.checkpoint());
      }
      Trial second(task, 0.2, 40);
      second.train_step();  // wherever it was
      second.restore(data::load_checkpoint(file));
      while (second.step < 40) {
        const size_t at = static_cast<size_t>(second.step);
        EXPECT_EQ(second.train_step(), wanted[at]) << at;
      }
      const NamedTensors state = second.checkpoint().tensors;
      for (const auto& [name, tensor] : whole.checkpoint().tensors) {
        EXPECT_TRUE(same_bits(state[name], tensor)) << name;
      }
    }
  }
}

TEST(Training, MicroBatchesGiveTheGradientsOfTheBatch) {
  Trial trial(data::Task::reverse, 0, 10, 12);
  trial.model.to(Dtype::f64);
  const NamedTensors batch = trial.loader.next();
  const Tensor tokens = batch["tokens"], targets = batch["targets"];
  const Loss whole = cross_entropy(trial.model(tokens), targets);
  whole.mean().backward();
  std::vector<Tensor> wanted;
  for (const auto& [name, p] : trial.model.parameters()) {
    wanted.push_back(p.grad());
    Tensor(p).clear_grad();
  }
  for (int64_t begin = 0; begin < 12; begin += 5) {  // 5, 5 and 2, with different paddings
    const Tensor part = slice(tokens, 0, begin, begin + 5);
    (cross_entropy(trial.model(part), slice(targets, 0, begin, begin + 5)).sum / whole.count)
        .backward();
  }
  size_t i = 0;
  for (const auto& [name, p] : trial.model.parameters()) {
    EXPECT_TRUE(tests::close(p.grad(), wanted[i++], 1e-12)) << name;
  }
}

TEST(Training, DropoutIsOffInEvaluation) {
  Trial trial(data::Task::copy, 0.5, 10);
  const Tensor ids = trial.loader.next()["tokens"];
  const NoGrad no_grad;
  EXPECT_FALSE(same_bits(trial.model(ids), trial.model(ids)));
  trial.model.eval();
  EXPECT_TRUE(same_bits(trial.model(ids), trial.model(ids)));
}

TEST(Training, WeightsTravelThroughSafetensors) {
  Trial trial(data::Task::copy, 0, 10);
  for (int i = 0; i < 3; ++i) trial.train_step();
  const TemporaryFile file("weights.safetensors");
  data::save_safetensors(file, trial.model.parameters());
  Trial other(data::Task::copy, 0, 10);
  other.model.load_parameters(data::load_safetensors(file));
  const Tensor ids = trial.loader.next()["tokens"];
  EXPECT_TRUE(same_bits(trial.model(ids).detach(), other.model(ids).detach()));
}

}  // namespace
}  // namespace rapt
