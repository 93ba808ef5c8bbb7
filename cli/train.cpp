#include "cli/train.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/evaluate.h"
#include "cli/format.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "cli/run_folder.h"
#include "cli/sample.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/threads.h"
#include "rapt/data/safetensors.h"
#include "rapt/optim/optim.h"
#include "rapt/training/training.h"

namespace rapt::cli {
namespace {

constexpr double largest_gradient_norm = 1;
constexpr double gradient_memory = 0.98;  // beta2: these runs are short, and the usual 0.999 slow
constexpr int64_t evaluations = 5;
constexpr int64_t interim_sequences = 200;

std::string percent(double share) { return formatted("%.1f %%", 100 * share); }

/// "1 layer", "2 layers".
std::string counted(int64_t count, const char* what) {
  return text(count, " ", what, count == 1 ? "" : "s");
}

std::string describe(const Run& run) {
  const RunOptions& o = run.options;
  return text(o.is_text() ? std::filesystem::path(o.text).filename().string() : o.task, ": ",
              run.model->parameter_count(), " parameters (", counted(o.layers, "layer"), ", width ",
              o.width, ", ", counted(o.heads, "head"), ", context ", o.context, ")\n",
              counted(o.steps, "step"), " of ", counted(o.batch, "sequence"), " on ",
              counted(num_threads(), "thread"));
}

std::string describe(const Evaluation& e, bool is_text) {
  const std::string loss = formatted("%.4f", e.loss);
  if (is_text) return text("validation loss ", loss, ", accuracy ", percent(e.accuracy));
  return text("unseen sequences: exact match ", percent(e.exact_match), ", loss ", loss);
}

/// One call of `rapt train`, from its first step to its last.
class Session {
 public:
  Session(Run run, RunFolder folder, const TrainFlags& flags)
      : run_(std::move(run)),
        folder_(std::move(folder)),
        settings_(settings_of(run_)),
        parameters_(run_.model->parameters()),
        optimizer_(optim::decay_groups(parameters_, run_.options.weight_decay),
                   {.lr = run_.options.lr, .beta2 = gradient_memory}),
        loader_(run_.train, {.batch_size = run_.options.batch, .seed = run_.options.seed}),
        state_(folder_.path(), {.keep = flags.keep}),
        progress_(run_.options.steps) {
    state_.add("model", *run_.model);
    state_.add("optimizer", optimizer_);
    state_.add("loader", loader_);
    state_.add("options", settings_);
    loop_.emplace(state_, optimizer_, loader_, loop_options(flags));
    if (flags.resume) {
      resume();
    } else {
      state_.save();
    }
    folder_.keep();
  }

  /// The exit status.
  int run() {
    first_step_ = state_.step();
    const std::string after = first_step_ == 0 ? "" : text(", going on after step ", first_step_);
    progress_.say(text(describe(run_), ", saved in ", folder_.path(), after));
    const training::LoopEnd end = train();
    run_.step = state_.step();
    if (end == training::LoopEnd::stopped) {
      progress_.say(text("stopped and saved after step ", run_.step,
                         "; to go on:\n  rapt train --resume --out ", folder_.path()));
      return 128 + loop_->signal();  // as a shell has it
    }
    finish();
    return 0;
  }

 private:
  training::LoopEnd train() try {
    return loop_->run([&](const NamedTensors& batch) {
      logits_ = (*run_.model)(batch["tokens"]);
      targets_ = batch["targets"];
      return cross_entropy(logits_, targets_);
    });
  } catch (const training::BadStep& bad) {
    fail("the loss of step ", bad.report.step, " is ", bad.report.loss, " and its gradients' norm ",
         bad.report.gradient_norm, ": wanted a smaller --lr?");
  }

  training::LoopOptions loop_options(const TrainFlags& flags) {
    const RunOptions& o = run_.options;
    return {.steps = o.steps,
            .schedule = optim::Schedule::cosine(
                {.lr = o.lr, .warmup = o.warmup, .total = o.steps, .end = o.lr / 50}),
            .max_norm = largest_gradient_norm,
            .save_every = flags.save_every,
            .evaluate_every = std::max<int64_t>(1, o.steps / evaluations),
            .evaluate = [this] { return evaluation(); },
            .after_step = [this](const training::StepReport& report) { show(report); }};
  }

  /// The options may be others than those that were saved, as far as going_on allows it; 0.1 saved
  /// them elsewhere.
  void resume() {
    training::ResumeOptions options;
    if (run_.saved != settings_) options.without = {"options", "loop"};
    state_.resume(options);
  }

  void show(const training::StepReport& report) {
    training_seconds_ += report.seconds;
    tokens_ += targets_.numel();
    if (!progress_.due(report.step)) return;
    const Matches matches = count_matches(logits_.detach(), targets_);
    const auto done = static_cast<double>(report.step - first_step_);
    progress_.show({.step = report.step,
                    .steps = run_.options.steps,
                    .loss = report.loss,
                    .accuracy = static_cast<double>(matches.right) /
                                static_cast<double>(std::max<int64_t>(matches.tokens, 1)),
                    .tokens_per_second = static_cast<double>(tokens_) / training_seconds_,
                    .seconds_left = training_seconds_ / done *
                                    static_cast<double>(run_.options.steps - report.step)});
  }

  training::Evaluation evaluation() {
    const bool last = state_.step() == run_.options.steps;
    const Evaluation e =
        evaluate(*run_.model, run_.test,
                 {.count = last ? test_sequences : interim_sequences, .batch = run_.options.batch});
    progress_.say(describe(e, run_.options.is_text()));
    return {
        {"test_loss", e.loss}, {"test_accuracy", e.accuracy}, {"test_exact_match", e.exact_match}};
  }

  void finish() {
    const std::string& folder = folder_.path();
    const int64_t steps = state_.step() - first_step_;
    data::save_safetensors(folder + "/model.safetensors", run_.model->parameters());
    progress_.say(steps == 0
                      ? "all its steps were done already"
                      : text(counted(steps, "step"), " in ", duration_text(training_seconds_)));
    progress_.say(text("the weights alone are in ", folder, "/model.safetensors\n"));
    progress_.say(samples(run_, {}));
    const std::string more = run_.task ? " '" + run_.task->decode(run_.task->sequence(0)) + "'"
                                       : std::string(" --length 1000");
    progress_.say(text("For more: rapt sample ", folder, more));
  }

  const training::StopSignal stop_;  // from before the first save on, until all is told
  Run run_;
  RunFolder folder_;
  const Values settings_;
  const NamedTensors parameters_;
  optim::AdamW optimizer_;
  data::Loader loader_;
  training::State state_;
  std::optional<training::Loop> loop_;
  Progress progress_;
  Tensor logits_, targets_;  // of the last step
  double training_seconds_ = 0;
  int64_t tokens_ = 0;
  int64_t first_step_ = 0;
};

Session go_on(const TrainFlags& flags) {
  if (!flags.out) fail("--resume: wanted --out DIR, the folder of the run to go on with");
  if (!holds_run(*flags.out)) fail("--out ", *flags.out, ": holds no run that could be resumed");
  Run run = open(*flags.out, true, flags.text);
  run.options = going_on(flags, run.options);
  return Session(std::move(run), RunFolder(*flags.out), flags);
}

Session begin(const TrainFlags& flags) {
  if (flags.resume) return go_on(flags);
  const RunOptions options = new_run(flags);
  if (flags.out) require_unused(*flags.out);  // before a long text is read
  Run run = start(options);
  return Session(std::move(run), RunFolder::make(flags.out, options.task), flags);
}

}  // namespace

int train_command(const TrainFlags& flags) {
  set_threads(flags);
  if (flags.save_every < 1) fail("--save-every: wanted at least 1; got ", flags.save_every);
  if (flags.keep < 1) fail("--keep: wanted at least 1; got ", flags.keep);
  return begin(flags).run();
}

}  // namespace rapt::cli
