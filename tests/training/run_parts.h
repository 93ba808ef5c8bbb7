#pragma once

// For the tests of State: runs with everything that changes, and with next to nothing.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "../data/files.h"
#include "../support/tensors.h"
#include "rapt/rapt.h"

namespace rapt::training {

using data::read_bytes;
using data::TemporaryFolder;
using data::write_bytes;
using tests::same_bits;

inline constexpr int64_t examples = 96, batch_size = 16, batches_per_epoch = examples / batch_size;

inline optim::Schedule schedule_of(int64_t total) {
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

inline void expect_same(const data::Checkpoint& a, const data::Checkpoint& b) {
  EXPECT_EQ(a.values, b.values);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) {
    EXPECT_TRUE(same_bits(tensor, b.tensors[name])) << name;
  }
}

}  // namespace rapt::training
