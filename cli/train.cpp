#include "cli/train.h"

#include <cstdio>
#include <filesystem>

#include "cli/evaluate.h"
#include "cli/metrics.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "cli/sample.h"
#include "cli/stop_signal.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/threads.h"
#include "rapt/optim/optim.h"

namespace rapt::cli {
namespace {

constexpr double largest_gradient_norm = 1;
constexpr int64_t interim_evaluations = 5;
constexpr int64_t interim_sequences = 200;
constexpr int stopped_by_signal = 130;

/// A run with all that training adds to it.
class Trainer {
 public:
  explicit Trainer(Run run)
      : run_(std::move(run)),
        optimizer_(optim::decay_groups(run_.model->parameters(), run_.options.weight_decay),
                   {.lr = run_.options.lr, .beta2 = 0.99}),
        schedule_{.peak = run_.options.lr,
                  .warmup = run_.options.warmup,
                  .total = run_.options.steps,
                  .floor = run_.options.lr / 50},
        loader_(run_.train, {.batch_size = run_.options.batch, .seed = run_.options.seed}) {}

  /// Takes over the optimizer's and the loader's state; the model has its own already.
  void load(const data::Checkpoint& checkpoint) {
    optimizer_.load_state(checkpoint.tensors.with_prefix("optimizer."));
    loader_.load_state(checkpoint.tensors.with_prefix("loader."));
  }

  data::Checkpoint checkpoint() const {
    data::Checkpoint out;
    out.tensors.add_all("model.", run_.model->state());
    out.tensors.add_all("optimizer.", optimizer_.state());
    out.tensors.add_all("loader.", loader_.state());
    out.values = to_values(run_.options);
    out.values.set("step", run_.step);
    if (run_.vocabulary) out.values.set("vocabulary", run_.vocabulary->characters());
    return out;
  }

  struct Step {
    double loss;
    double lr;
    double gradient_norm;
    int64_t tokens;
    Tensor logits, targets;
  };

  Step step() {
    const NamedTensors batch = loader_.next();
    const Tensor logits = (*run_.model)(batch["tokens"]);
    const Tensor loss = cross_entropy(logits, batch["targets"]).mean();
    optimizer_.zero_grad();
    loss.backward();
    const double norm = optim::clip_grad_norm(run_.model->parameters(), largest_gradient_norm);
    optimizer_.set_lr(schedule_.at(run_.step));
    optimizer_.step();
    ++run_.step;
    return {loss.item(), optimizer_.lr(), norm, batch["tokens"].numel(), logits.detach(),
            batch["targets"]};
  }

  Run& run() { return run_; }

 private:
  Run run_;
  optim::AdamW optimizer_;
  optim::WarmupCosine schedule_;
  data::Loader loader_;
};

/// The first of runs/NAME, runs/NAME-2, ... that is not there yet.
std::string free_folder(const std::string& name) {
  std::string folder = "runs/" + name;
  for (int i = 2; std::filesystem::exists(folder); ++i) {
    folder = text("runs/", name, "-", i);
  }
  return folder;
}

void make_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail("--out ", folder, ": cannot be made: ", error.message());
}

/// Where a session begins: with a new run, or where a checkpoint left one.
struct Beginning {
  Run run;
  std::optional<data::Checkpoint> checkpoint;
  std::string folder;
};

Beginning begin(const TrainFlags& flags) {
  if (flags.resume) {
    if (!flags.out) fail("--resume: wanted --out DIR, the folder of the run to go on with");
    Opened opened = open(*flags.out, true);
    require_same(flags, opened.run.options);
    return {std::move(opened.run), std::move(opened.checkpoint), *flags.out};
  }
  const RunOptions options = new_run(flags);
  if (flags.out && holds_run(*flags.out)) {
    fail("--out ", *flags.out, ": holds a run already; --resume goes on with it");
  }
  Beginning beginning{start(options), {}, flags.out ? *flags.out : free_folder(options.task)};
  make_folder(beginning.folder);
  return beginning;
}

std::string percent(double share) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%.1f %%", 100 * share);
  return digits;
}

std::string describe(const Run& run) {
  const RunOptions& o = run.options;
  return text(o.is_text() ? o.text : o.task, ": ", run.model->parameter_count(), " parameters, ",
              o.layers, " layers, width ", o.width, ", ", o.heads, " heads, context ", o.context,
              "; ", o.steps, " steps of ", o.batch, " sequences, ", num_threads(),
              num_threads() == 1 ? " thread" : " threads");
}

std::string describe(const Evaluation& e, bool is_text) {
  char loss[32];
  std::snprintf(loss, sizeof loss, "%.4f", e.loss);
  if (is_text) return text("validation loss ", loss, ", accuracy ", percent(e.accuracy));
  return text("unseen sequences: exact match ", percent(e.exact_match), ", loss ", loss);
}

/// One call of `rapt train`, from its first step to its last.
class Session {
 public:
  Session(Beginning beginning, const TrainFlags& flags)
      : trainer_(std::move(beginning.run)),
        folder_(std::move(beginning.folder)),
        flags_(flags),
        run_(trainer_.run()),
        metrics_(folder_, run_.step),
        progress_(run_.options.steps) {
    if (beginning.checkpoint) trainer_.load(*beginning.checkpoint);
  }

  int run() {
    progress_.say(describe(run_));
    if (run_.step > 0) progress_.say(text("going on after step ", run_.step));
    const StopSignal stop;
    while (run_.step < run_.options.steps && !stop.received()) step();
    save();
    if (run_.step < run_.options.steps) {
      progress_.say(text("stopped and saved after step ", run_.step,
                         "; go on with: rapt train --resume --out ", folder_));
      return stopped_by_signal;
    }
    finish();
    return 0;
  }

 private:
  void step() {
    const double before = seconds_now();
    const Trainer::Step s = trainer_.step();
    training_seconds_ += seconds_now() - before;
    tokens_ += s.tokens;
    ++steps_;
    metrics_.write(run_.step,
                   {{"loss", s.loss}, {"lr", s.lr}, {"gradient_norm", s.gradient_norm}});
    if (progress_.due(run_.step)) show(s);
    const int64_t steps = run_.options.steps;
    const int64_t between = std::max<int64_t>(1, steps / interim_evaluations);
    if (run_.step % between == 0 && run_.step < steps) evaluate_now(interim_sequences);
    if (run_.step % flags_.save_every == 0 && run_.step < steps) save();
  }

  void show(const Trainer::Step& s) {
    const Matches matches = count_matches(s.logits, s.targets);
    const auto done = static_cast<double>(steps_);
    progress_.show({.step = run_.step,
                    .steps = run_.options.steps,
                    .loss = s.loss,
                    .accuracy = static_cast<double>(matches.right) /
                                static_cast<double>(std::max<int64_t>(matches.tokens, 1)),
                    .tokens_per_second = static_cast<double>(tokens_) / training_seconds_,
                    .seconds_left = training_seconds_ / done *
                                    static_cast<double>(run_.options.steps - run_.step)});
    metrics_.flush();
  }

  void evaluate_now(int64_t sequences) {
    const Evaluation e = evaluate(*run_.model, run_.test, sequences);
    progress_.say(describe(e, run_.options.is_text()));
  }

  void save() {
    metrics_.flush();
    data::save_numbered(folder_, run_.step, trainer_.checkpoint(), flags_.keep);
  }

  void finish() {
    if (steps_ > 0) {
      progress_.say(text(steps_, " steps in ", duration_text(training_seconds_)));
    }
    evaluate_now(test_sequences);
    const std::string weights = folder_ + "/model.safetensors";
    data::save_safetensors(weights, run_.model->parameters());
    progress_.say(text("saved in ", folder_, ", the weights alone in ", weights, "\n"));
    progress_.say(samples(run_, {}));
  }

  Trainer trainer_;
  const std::string folder_;
  const TrainFlags& flags_;
  Run& run_;
  Metrics metrics_;
  Progress progress_;
  double training_seconds_ = 0;
  int64_t tokens_ = 0;
  int64_t steps_ = 0;  // of this call
};

}  // namespace

int train_command(const TrainFlags& flags) {
  if (flags.threads) set_num_threads(*flags.threads);
  if (flags.save_every < 1) fail("--save-every: wanted at least 1; got ", flags.save_every);
  if (flags.keep < 1) fail("--keep: wanted at least 1; got ", flags.keep);
  return Session(begin(flags), flags).run();
}

}  // namespace rapt::cli
