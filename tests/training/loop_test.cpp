#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "../data/files.h"
#include "../support/tensors.h"
#include "rapt/rapt.h"

namespace rapt::training {
namespace {

using data::read_bytes;
using data::TemporaryFolder;
using tests::same_bits;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Points of a plane, each with its height.
class Points : public data::Dataset {
 public:
  int64_t size() const override { return 48; }
  NamedTensors get(int64_t index) const override {
    Rng rng(static_cast<uint64_t>(index));
    const Tensor x = rng.normal({3});
    return {{"x", x}, {"y", sum(x * tensor({1.0, -2.0, 0.5}))}};
  }
};

/// A small regression as a run. `at` is called before each loss, with the number of the call; what
/// it returns is a factor of the loss.
struct Regression {
  explicit Regression(const std::string& folder, LoopOptions options, const StateOptions& s = {})
      : run(folder, s) {
    run.add("model", model);
    run.add("optimizer", adam);
    run.add("data", loader);
    options.after_step = [this](const StepReport& r) { reports.push_back(r); };
    loop.emplace(run, adam, loader, std::move(options));
  }
  LoopEnd go() {
    return loop->run([this](const NamedTensors& batch) {
      if (before_loss) before_loss();
      const Tensor y = reshape(model(batch["x"]), {-1});
      const Loss loss = mse_loss(y, batch["y"]);
      if (calls == steep_at) {  // sqrt(0) is 0, and its slope inf
        const Tensor bias = model.parameters()["bias"];
        return ++calls, Loss{sum(sqrt(bias - bias.detach())) + 1.0, 1};
      }
      return Loss{loss.sum * factor(calls++) + shift * loss.count, loss.count};
    });
  }
  Tensor weight() const { return model.parameters()["weight"].detach().clone(); }

  Rng rng{1};
  nn::Linear model{3, 1, rng};
  optim::Adam adam{model.parameters(), {.lr = 0.05}};
  data::Loader loader{Points(), {.batch_size = 8}};
  State run;
  std::optional<Loop> loop;
  std::vector<StepReport> reports;
  int64_t calls = 0;
  double (*factor)(int64_t call) = [](int64_t) { return 1.0; };
  OwnedFunction<void()> before_loss = {};
  double shift = 0;
  int64_t steep_at = -1;
};

TEST(TrainLoop, Learns) {
  const TemporaryFolder folder;
  Regression r(folder / "run", {.steps = 200, .max_norm = 10});
  EXPECT_EQ(r.go(), LoopEnd::finished);
  ASSERT_EQ(r.reports.size(), 200u);
  EXPECT_GT(r.reports[0].loss, 1);
  EXPECT_LT(r.reports[199].loss, 1e-2);
  EXPECT_EQ(r.reports[199].step, 200);
  EXPECT_EQ(r.reports[7].epoch, 1);
  EXPECT_EQ(r.reports[7].position, 8);
  EXPECT_EQ(r.reports[7].examples, 8);
  EXPECT_EQ(data::latest_checkpoint(folder / "run")->step, 200);
  EXPECT_EQ(r.go(), LoopEnd::finished);  // nothing is left to do
  EXPECT_EQ(r.reports.size(), 200u);
}

TEST(TrainLoop, IsTheLoopWrittenByHand) {
  const TemporaryFolder folder;
  const auto schedule = optim::Schedule::cosine({.lr = 0.1, .warmup = 2, .total = 10});
  Regression r(folder / "run", {.steps = 10, .schedule = schedule, .max_norm = 0.5});
  r.go();
  Regression hand(folder / "hand", {.steps = 10});
  for (int64_t step = 0; step < 10; ++step) {
    const NamedTensors batch = hand.loader.next();
    hand.adam.zero_grad();
    const Tensor y = reshape(hand.model(batch["x"]), {-1});
    const Tensor loss = mse_loss(y, batch["y"]).mean();
    loss.backward();
    hand.adam.set_lr(schedule.at(step));
    const double norm = hand.adam.step_clipped(0.5);
    const StepReport& told = r.reports[static_cast<size_t>(step)];
    EXPECT_EQ(told.loss, loss.item());
    EXPECT_EQ(told.gradient_norm, norm);
    EXPECT_EQ(told.lr, schedule.at(step));
  }
  EXPECT_TRUE(same_bits(r.weight(), hand.weight()));
}

TEST(TrainLoop, StoppedAndResumedItEndsWithTheSameBytes) {
  const TemporaryFolder folder;
  constexpr int64_t steps = 15;
  const auto options = [] { return LoopOptions{.steps = steps, .save_every = 4, .spike = 50}; };
  Regression whole(folder / "whole", options());
  whole.go();
  {
    Regression first(folder / "cut", options());
    first.factor = [](int64_t call) {
      if (call == 6) std::raise(SIGTERM);
      return 1.0;
    };
    EXPECT_EQ(first.go(), LoopEnd::stopped);
    EXPECT_EQ(first.loop->signal(), SIGTERM);
    EXPECT_EQ(first.run.step(), 7);  // the step that had begun was ended
  }
  Regression second(folder / "cut", options());
  EXPECT_EQ(second.go(), LoopEnd::finished);
  for (const char* file : {"/step-000000015.rapt", "/metrics.jsonl"}) {
    EXPECT_EQ(read_bytes((folder / "cut") + file), read_bytes((folder / "whole") + file)) << file;
  }
}

TEST(TrainLoop, MicroBatchesAreTheBatch) {
  const TemporaryFolder folder;
  Regression whole(folder / "whole", {.steps = 5});
  whole.go();
  for (const int64_t parts : {2, 3, 8}) {
    Regression cut(folder / std::to_string(parts), {.steps = 5, .micro_batches = parts});
    cut.go();
    EXPECT_TRUE(tests::close(cut.weight(), whole.weight(), 1e-6)) << parts;
    EXPECT_NEAR(cut.reports[4].loss, whole.reports[4].loss, 1e-6);
  }
  Regression wrong(folder / "wrong",
                   {.steps = 5, .micro_batches = 2, .count = [](const auto&) { return 7.0; }});
  EXPECT_ERROR("the losses of the micro-batches count 8, and the whole batch 7", wrong.go());
}

TEST(TrainLoop, MicroBatchesCountTargetsNotRows) {
  const TemporaryFolder folder;
  const auto trained = [&](int64_t parts) {
    // Lengths differ, so the parts have different numbers of targets.
    const data::TaskDataset dataset({.max_length = 5, .symbols = 6, .size = 64});
    Rng rng(1);
    nn::DecoderOnly model({.vocabulary = dataset.vocabulary_size(),
                           .context = dataset.context(),
                           .width = 16,
                           .block = {.attention = {.heads = 2}}},
                          rng);
    optim::SGD sgd(model.parameters(), {.lr = 0.1});
    data::Loader loader(dataset, {.batch_size = 12});
    State run(folder / std::to_string(parts));
    run.add("model", model);
    run.add("optimizer", sgd);
    run.add("loader", loader);
    Loop loop(run, sgd, loader, {.steps = 3, .micro_batches = parts});
    loop.run([&](const NamedTensors& batch) {
      return cross_entropy(model(batch["tokens"]), batch["targets"]);
    });
    NamedTensors weights;
    for (const auto& [name, p] : model.parameters()) weights.add(name, p.detach().clone());
    return weights;
  };
  const NamedTensors whole = trained(1), cut = trained(4);
  for (const auto& [name, weight] : whole) {
    EXPECT_TRUE(tests::close(cut[name], weight, 1e-5)) << name;
  }
}

TEST(TrainLoop, ABadStepStopsAndNamesItsBatch) {
  for (const double bad : {nan, std::numeric_limits<double>::infinity()}) {
    static double factor_of_bad;
    factor_of_bad = bad;
    const TemporaryFolder folder;
    Regression r(folder / "run", {.steps = 20});
    r.factor = [](int64_t call) { return call == 7 ? factor_of_bad : 1.0; };
    const std::string message = tests::error_of([&] { r.go(); });
    EXPECT_PRED2(data::has, message, "Loop: step 8 is bad: its loss is ");
    EXPECT_PRED2(data::has, message, "of the 8 examples from position 8 of epoch 1 on");
    Regression good(folder / "good", {.steps = 7});
    good.go();
    EXPECT_TRUE(same_bits(r.weight(), good.weight()));  // nothing was changed by it
  }
}

TEST(TrainLoop, GradientsThatAreNotFiniteMakeAStepBad) {
  const TemporaryFolder folder;
  Regression r(folder / "run", {.steps = 20});
  r.steep_at = 3;
  EXPECT_ERROR("Loop: step 4 is bad: its loss is 1", r.go());  // which is finite
}

TEST(TrainLoop, WhatIsNotFiniteIsNotHiddenByAHook) {
  const TemporaryFolder folder;
  NamedTensors parameters;
  Regression r(folder / "run",
               {.steps = 9, .before_update = [&] { optim::clip_grad_value(parameters, 1); }});
  parameters = r.model.parameters();
  r.steep_at = 3;
  EXPECT_ERROR("Loop: step 4 is bad: its loss is 1", r.go());
}

TEST(TrainLoop, BadStepsCanBeLeftOut) {
  const TemporaryFolder folder;
  Regression r(folder / "run", {.steps = 30, .on_bad_step = OnBadStep::skip});
  r.factor = [](int64_t call) { return call == 7 || call == 9 ? nan : 1.0; };
  testing::internal::CaptureStderr();
  EXPECT_EQ(r.go(), LoopEnd::finished);
  EXPECT_PRED2(data::has, testing::internal::GetCapturedStderr(), "step 8 is bad");
  EXPECT_EQ(r.loop->bad_steps(), 2);
  EXPECT_TRUE(r.reports[7].is_bad && r.reports[9].is_bad && !r.reports[8].is_bad);
  EXPECT_EQ(r.reports.size(), 30u);

  Regression always(folder / "always",
                    {.steps = 30, .on_bad_step = OnBadStep::skip, .most_bad_steps = 3});
  always.factor = [](int64_t call) { return call >= 7 ? nan : 1.0; };
  testing::internal::CaptureStderr();
  EXPECT_ERROR("there were 4 in a row", always.go());
  testing::internal::GetCapturedStderr();
}

TEST(TrainLoop, ASpikeCanLeadBack) {
  const TemporaryFolder folder;
  Regression r(folder / "run",
               {.steps = 40, .save_every = 10, .on_bad_step = OnBadStep::go_back, .spike = 20});
  r.factor = [](int64_t call) { return call == 25 ? 1e4 : 1.0; };
  testing::internal::CaptureStderr();
  EXPECT_EQ(r.go(), LoopEnd::finished);
  EXPECT_PRED2(data::has, testing::internal::GetCapturedStderr(), "back to the last checkpoint");
  EXPECT_EQ(r.loop->bad_steps(), 1);
  ASSERT_EQ(r.reports.size(), 46u);  // 26, and from step 20 on
  EXPECT_EQ(r.reports[25].step, 26);
  EXPECT_EQ(r.reports[26].step, 21);
  // The data goes on behind the bad batch.
  EXPECT_EQ(r.reports[26].position, (r.reports[25].position + 8) % 48);
  // The file tells of the steps that count, once each.
  const std::string metrics = read_bytes(folder / "run/metrics.jsonl");
  EXPECT_EQ(std::count(metrics.begin(), metrics.end(), '\n'), 40);
}

TEST(TrainLoop, DoesNotGoBackForEver) {
  const TemporaryFolder folder;
  Regression r(
      folder / "run",
      {.steps = 40, .save_every = 10, .on_bad_step = OnBadStep::go_back, .most_bad_steps = 3});
  // Never beyond step 26, whatever the data: there are good steps between, but no way on.
  static int64_t step;
  r.factor = [](int64_t) { return step == 25 ? nan : 1.0; };
  step = 0;
  r.before_loss = [&] { step = r.run.step(); };
  testing::internal::CaptureStderr();
  EXPECT_ERROR("step 26 is bad", r.go());
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(r.loop->bad_steps(), 4);
}

TEST(TrainLoop, EvaluatesKeepsTheBestAndLosesPatience) {
  const TemporaryFolder folder;
  std::vector<bool> training;
  int64_t evaluations = 0;
  Regression* running = nullptr;
  Regression r(folder / "run", {.steps = 100, .evaluate_every = 5, .patience = 3, .evaluate = [&] {
                                  training.push_back(running->model.training());
                                  EXPECT_FALSE(running->model(ones({1, 3})).requires_grad());
                                  ++evaluations;
                                  return std::abs(static_cast<double>(evaluations) - 4);
                                }});
  running = &r;
  EXPECT_EQ(r.go(), LoopEnd::out_of_patience);
  EXPECT_EQ(evaluations, 7);
  EXPECT_EQ(r.run.step(), 35);
  EXPECT_EQ(training, std::vector<bool>(7, false));
  EXPECT_EQ(r.reports[19].evaluation, (Metrics::Numbers{{"metric", 0}}));
  EXPECT_TRUE(r.reports[18].evaluation.empty());
  EXPECT_EQ(data::load_checkpoint(folder / "run/best.rapt").values.integer("step"), 20);
  EXPECT_EQ(data::latest_checkpoint(folder / "run")->step, 35);
}

TEST(TrainLoop, AFolderThatVanishesEndsIt) {
  const TemporaryFolder folder;
  static std::string path;
  path = folder / "run";
  Regression r(path, {.steps = 100, .save_every = 10, .metrics = false});
  r.factor = [](int64_t call) {
    if (call == 5) std::filesystem::remove_all(path);
    return 1.0;
  };
  EXPECT_ERROR("was removed or moved while the run was at work", r.go());
  EXPECT_EQ(r.run.step(), 10);
}

TEST(TrainLoop, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  EXPECT_ERROR("Loop: wanted steps of at least 1; got 0", Regression(folder / "run", {}));
  EXPECT_ERROR("Loop: wanted micro_batches of at least 1; got 0",
               Regression(folder / "run", {.steps = 1, .micro_batches = 0}));
  EXPECT_ERROR("Loop: wanted max_norm > 0; got nan",
               Regression(folder / "run", {.steps = 1, .max_norm = nan}));
  EXPECT_ERROR("Loop: wanted spike above 1",
               Regression(folder / "run", {.steps = 1, .spike = 0.5}));
  EXPECT_ERROR("Loop: wanted evaluate, a function",
               Regression(folder / "run", {.steps = 1, .patience = 2}));
  Rng rng(1);
  nn::Linear model(3, 1, rng);
  optim::Adam adam(model.parameters());
  data::Loader loader{Points()};
  State run(folder / "run");
  run.add("model", model);
  EXPECT_ERROR("Loop: the optimizer is no part of the run", Loop(run, adam, loader, {.steps = 1}));
  run.add("optimizer", adam);
  EXPECT_ERROR("Loop: the loader is no part of the run", Loop(run, adam, loader, {.steps = 1}));
  run.add("loader", loader);
  EXPECT_ERROR("Loop: wanted save_every, to have where to go back to",
               Loop(run, adam, loader, {.steps = 1, .on_bad_step = OnBadStep::go_back}));
  Loop loop(run, adam, loader, {.steps = 1, .evaluate = [] { return Evaluation{{"loss", 1}}; }});
  EXPECT_ERROR("Metrics: wanted each name once, and none \"step\"; got loss",
               loop.run([&](const NamedTensors& batch) {
                 return mse_loss(reshape(model(batch["x"]), {-1}), batch["y"]);
               }));
}

TEST(TrainLoop, AnotherScheduleIsNamedAndCanBeMeant) {
  const TemporaryFolder folder;
  const auto options = [](int64_t total) {
    return LoopOptions{.steps = total,
                       .schedule = optim::Schedule::linear({.lr = 0.1, .total = total})};
  };
  Regression(folder / "run", options(5)).go();
  {
    Regression longer(folder / "run", options(9));
    EXPECT_ERROR("loop: another schedule than the run had:\n  total: 5 was saved; here it is 9",
                 longer.go());
    EXPECT_TRUE(longer.run.resume({.without = {"loop"}}));
    static bool is_first;
    is_first = true;
    longer.before_loss = [] {  // as if killed in the first step
      if (std::exchange(is_first, false)) fail("killed");
    };
    EXPECT_ERROR("killed", longer.go());
  }
  Regression again(folder / "run", options(9));  // that it is longer was not forgotten
  EXPECT_EQ(again.go(), LoopEnd::finished);
  EXPECT_EQ(again.run.step(), 9);
}

TEST(TrainLoop, ALossBelowZeroIsNoSpike) {
  const TemporaryFolder folder;
  Regression r(folder / "run", {.steps = 60, .spike = 10});
  r.shift = -100;
  EXPECT_EQ(r.go(), LoopEnd::finished);
}

TEST(TrainLoop, AnEndedPatienceStaysEnded) {
  const TemporaryFolder folder;
  const auto options = [] {
    return LoopOptions{
        .steps = 100, .evaluate_every = 2, .patience = 2, .evaluate = [] { return 1.0; }};
  };
  Regression first(folder / "run", options());
  EXPECT_EQ(first.go(), LoopEnd::out_of_patience);
  EXPECT_EQ(first.run.step(), 6);
  EXPECT_EQ(first.go(), LoopEnd::out_of_patience);
  EXPECT_EQ(first.run.step(), 6);
}

TEST(TrainLoop, EvaluatesAtTheEndThoughTheLastStepIsBad) {
  const TemporaryFolder folder;
  Regression r(folder / "run",
               {.steps = 5, .on_bad_step = OnBadStep::skip, .evaluate = [] { return 1.0; }});
  r.factor = [](int64_t call) { return call == 4 ? nan : 1.0; };
  testing::internal::CaptureStderr();
  r.go();
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(r.run.best_metric(), 1.0);
}

}  // namespace
}  // namespace rapt::training
