#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

#include "rapt/autograd/error.h"
#include "rapt/autograd/function_ref.h"
#include "rapt/autograd/ops/loss.h"
#include "rapt/autograd/owned_function.h"
#include "rapt/data/loader.h"
#include "rapt/optim/optimizer.h"
#include "rapt/optim/schedule.h"
#include "rapt/training/metrics.h"
#include "rapt/training/state.h"

namespace rapt::training {

/// What becomes of a bad step: one whose loss or gradients are not finite, or whose loss is a
/// spike. The weights are never changed by it.
enum class OnBadStep : uint8_t {
  stop,    ///< an error that names the step and its batch
  skip,    ///< the run goes on with the next batch
  go_back  ///< to the newest checkpoint, and on from there with the batch behind the bad one
};

/// What an evaluation gives: one number, or several by name, of which the first decides.
struct Evaluation {
  Evaluation(double metric) : numbers{{"metric", metric}} {}
  Evaluation(std::initializer_list<Metrics::Numbers::value_type> named) : numbers(named) {}
  Metrics::Numbers numbers;
};

/// What is told of a step.
struct StepReport {
  int64_t step = 0;  ///< steps done
  double loss = 0;   ///< the mean over the batch
  double lr = 0;
  double gradient_norm = 0;          ///< before it was clipped
  int64_t epoch = 0, position = 0;   ///< where the batch begins in the data
  int64_t examples = 0;              ///< in the batch
  double seconds = 0;                ///< that the step took
  bool is_bad = false;               ///< it changed nothing: see OnBadStep
  Metrics::Numbers evaluation = {};  ///< if there was one after it
};

/// Thrown where a bad step ends the run.
class BadStep : public Error {
 public:
  BadStep(const std::string& what, StepReport of) : Error(what), report(std::move(of)) {}
  StepReport report;
};

struct LoopOptions {
  int64_t steps = 0;                             ///< of the whole run, resumed or not; >= 1
  std::optional<optim::Schedule> schedule = {};  ///< of the learning rate; unset: as it is
  std::optional<double> max_norm = {};           ///< gradients of a larger norm are scaled to it
  /// Each batch is cut into so many (at most one for each example), their gradients added up: those
  /// of the whole batch (to the bit where docs/same-bits.md says so) in a part of the memory.
  int64_t micro_batches = 1;
  int64_t save_every = 0;      ///< steps; 0: only at the end, and when it is stopped
  int64_t evaluate_every = 0;  ///< steps; 0: only at the end
  int64_t patience = 0;        ///< evaluations without a better metric that end the run; 0: none do
  OnBadStep on_bad_step = OnBadStep::stop;  ///< go_back wants save_every
  /// A loss that is above the mean of late by more than so many times less one of its size is bad:
  /// above 10 times a mean that is not negative, say. 0: none is.
  double spike = 0;
  int64_t most_bad_steps = 20;  ///< in a row, or before a step not reached yet; one more: an error
  bool metrics = true;          ///< writes metrics.jsonl into the run's folder

  /// A metric, in evaluation mode and without a graph: a loss, or what
  /// StateOptions::larger_is_better says. The best run is kept: State::best.
  OwnedFunction<Evaluation()> evaluate = {};
  /// The gradients are there, finite, and not yet clipped: noise, clipping by value.
  OwnedFunction<void()> before_update = {};
  /// The weights have changed (not after a bad step): WeightAverage::update.
  OwnedFunction<void()> after_update = {};
  /// After any step and its evaluation, bad ones included: to report it.
  OwnedFunction<void(const StepReport&)> after_step = {};
  /// What a batch's loss is divided by, where there are micro-batches. Unset: count_targets of
  /// "targets" if it has them, else its length.
  OwnedFunction<double(const NamedTensors& batch)> count = {};
};

/// Why a loop ended.
enum class LoopEnd : uint8_t {
  finished,  ///< all steps are done
  stopped,   ///< by a signal (Ctrl-C): saved, to be resumed
  out_of_patience
};

/// The loop that everyone writes: batches, gradients, clipping, schedule, saving, evaluation, early
/// stopping, metrics and signals.
///
///   training::State run("runs/reverse");
///   run.add("model", model);
///   run.add("optimizer", adam);
///   run.add("loader", loader);
///   training::Loop loop(run, adam, loader, {.steps = 2000, .schedule = schedule, .max_norm = 1});
///   loop.run([&](const NamedTensors& batch) {
///     return cross_entropy(model(batch["tokens"]), batch["targets"]);
///   });
///
/// While it lives it is a part of the run ("loop": what it has counted, and its schedule, which has
/// to be the same when the run goes on), and it resumes the run unless that was done.
class Loop {
 public:
  /// Throws when an option is out of range, or the optimizer or the loader is no part of the run.
  Loop(State& run, optim::Optimizer& optimizer, data::Loader& loader, LoopOptions options);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs until the steps are done, a signal comes, or patience ends, and saves. loss() gives the
  /// loss of a batch, or of a part of one.
  ///
  /// A checkpoint on the way that could not be written (a full disk) is told on standard error and
  /// tried again ten steps later; the run goes on. At the end it is an error.
  LoopEnd run(FunctionRef<Loss(const NamedTensors& batch)> loss);

  /// The signal that stopped the last run(); 0 if none did.
  int signal() const { return signal_; }
  /// Bad steps of the whole run.
  int64_t bad_steps() const { return bad_steps_; }

  /// For State.
  NamedTensors state() const;
  void check_state(const NamedTensors& state) const;
  void load_state(const NamedTensors& state);

 private:
  class Running;
  StepReport step(FunctionRef<Loss(const NamedTensors&)> loss);
  double backward(const NamedTensors& batch, FunctionRef<Loss(const NamedTensors&)> loss);
  bool is_bad(double loss, double gradient_norm) const;
  void after_bad_step(const StepReport& report);

  State& run_;
  optim::Optimizer& optimizer_;
  data::Loader& loader_;
  LoopOptions options_;
  double late_loss_ = 0;  // a mean of the last losses
  int64_t good_steps_ = 0, bad_steps_ = 0, bad_in_a_row_ = 0, last_bad_step_ = 0;
  int signal_ = 0;
};

}  // namespace rapt::training
