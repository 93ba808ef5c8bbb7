#include "cli/train.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>

#include "cli/evaluate.h"
#include "cli/format.h"
#include "cli/metrics.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "cli/run_folder.h"
#include "cli/sample.h"
#include "cli/stop_signal.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/threads.h"
#include "rapt/optim/optim.h"

namespace rapt::cli {
namespace {

constexpr double largest_gradient_norm = 1;
constexpr double gradient_memory = 0.98;  // beta2: these runs are short, and the usual 0.999 slow
constexpr int64_t evaluations = 5;
constexpr int64_t interim_sequences = 200;

/// A run with all that training adds to it.
class Trainer {
 public:
  explicit Trainer(Run run)
      : run_(std::move(run)),
        parameters_(run_.model->parameters()),
        optimizer_(optim::decay_groups(parameters_, run_.options.weight_decay),
                   {.lr = run_.options.lr, .beta2 = gradient_memory}),
        schedule_(optim::Schedule::cosine({.lr = run_.options.lr,
                                           .warmup = run_.options.warmup,
                                           .total = run_.options.steps,
                                           .end = run_.options.lr / 50})),
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
    if (run_.vocabulary) {
      out.values.set("vocabulary", run_.vocabulary->characters());
      out.values.set("text-hash", run_.text_hash);
    }
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
    optimizer_.zero_grad();  // before the forward pass, which can use the memory
    const NamedTensors batch = loader_.next();
    const Tensor logits = (*run_.model)(batch["tokens"]);
    const Tensor loss = cross_entropy(logits, batch["targets"]).mean();
    loss.backward();
    optimizer_.set_lr(schedule_.at(run_.step));
    const double norm = optimizer_.step_clipped(largest_gradient_norm);
    ++run_.step;
    return {loss.item(),     optimizer_.lr(), norm, batch["tokens"].numel(),
            logits.detach(), batch["targets"]};
  }

  Run& run() { return run_; }

 private:
  Run run_;
  NamedTensors parameters_;
  optim::AdamW optimizer_;
  optim::Schedule schedule_;
  data::Loader loader_;
};

/// Where a call of `rapt train` begins: with a new run, or where a checkpoint left one.
struct Beginning {
  std::unique_ptr<Trainer> trainer;
  RunFolder folder;
};

Beginning go_on(const TrainFlags& flags) {
  if (!flags.out) fail("--resume: wanted --out DIR, the folder of the run to go on with");
  if (!holds_run(*flags.out)) fail("--out ", *flags.out, ": holds no run that could be resumed");
  RunFolder folder = RunFolder::open(*flags.out);
  Opened opened = open(*flags.out, true);
  require_same(flags, opened.run.options);
  auto trainer = std::make_unique<Trainer>(std::move(opened.run));
  trainer->load(opened.checkpoint);
  return {std::move(trainer), std::move(folder)};
}

Beginning begin(const TrainFlags& flags) {
  if (flags.resume) return go_on(flags);
  const RunOptions options = new_run(flags);
  if (flags.out) require_unused(*flags.out);  // before a long text is read
  auto trainer = std::make_unique<Trainer>(start(options));
  return {std::move(trainer), RunFolder::make(flags.out, options.task)};
}

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
  Session(Beginning beginning, const TrainFlags& flags)
      : trainer_(std::move(beginning.trainer)),
        folder_(std::move(beginning.folder)),
        save_every_(flags.save_every),
        keep_(flags.keep),
        run_(trainer_->run()),
        progress_(run_.options.steps) {
    // So that a run can be resumed from its first moment on, and to know that saving works.
    if (run_.step == 0) save();
    metrics_.emplace(folder_.path(), run_.step);
    folder_.keep();
  }

  /// The exit status.
  int run() {
    const std::string after = run_.step == 0 ? "" : text(", going on after step ", run_.step);
    progress_.say(text(describe(run_), ", saved in ", folder_.path(), after));
    while (run_.step < run_.options.steps && !stop_.received()) step();
    if (steps_ > 0) save();
    if (run_.step < run_.options.steps) {
      progress_.say(text("stopped and saved after step ", run_.step,
                         "; to go on:\n  rapt train --resume --out ", folder_.path()));
      return 128 + stop_.received();  // as a shell has it
    }
    finish();
    return 0;
  }

 private:
  void step() {
    const double before = seconds_now();
    const Trainer::Step s = trainer_->step();
    training_seconds_ += seconds_now() - before;
    tokens_ += s.tokens;
    ++steps_;
    if (progress_.due(run_.step)) show(s);
    Metrics::Numbers numbers = {{"loss", s.loss}, {"lr", s.lr}, {"gradient_norm", s.gradient_norm}};
    if (evaluation_due()) add_evaluation(numbers);
    metrics_->write(run_.step, numbers);
    if (!std::isfinite(s.loss)) {
      metrics_->flush();
      fail("the loss of step ", run_.step, " is ", s.loss, ": wanted a smaller --lr?");
    }
    if (run_.step % save_every_ == 0 && run_.step < run_.options.steps) save();
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
    metrics_->flush();
  }

  bool evaluation_due() const {
    const int64_t between = std::max<int64_t>(1, run_.options.steps / evaluations);
    const int64_t left = run_.options.steps - run_.step;
    return left == 0 || (run_.step % between == 0 && left >= between);
  }

  void add_evaluation(Metrics::Numbers& numbers) {
    const bool last = run_.step == run_.options.steps;
    const Evaluation e =
        evaluate(*run_.model, run_.test,
                 {.count = last ? test_sequences : interim_sequences, .batch = run_.options.batch});
    progress_.say(describe(e, run_.options.is_text()));
    numbers.emplace_back("test_loss", e.loss);
    numbers.emplace_back("test_accuracy", e.accuracy);
    numbers.emplace_back("test_exact_match", e.exact_match);
  }

  void save() {
    if (metrics_) metrics_->flush();
    data::save_numbered(folder_.path(), run_.step, trainer_->checkpoint(), keep_);
  }

  void finish() {
    const std::string& folder = folder_.path();
    data::save_safetensors(folder + "/model.safetensors", run_.model->parameters());
    progress_.say(steps_ == 0
                      ? "all its steps were done already"
                      : text(counted(steps_, "step"), " in ", duration_text(training_seconds_)));
    progress_.say(text("the weights alone are in ", folder, "/model.safetensors\n"));
    progress_.say(samples(run_, {}));
    const char* hello = run_.options.max_length < 5 ? " ab" : " hello";
    progress_.say(text("For more: rapt sample ", folder, run_.task ? hello : " --length 1000"));
  }

  const StopSignal stop_;  // from before the first save on
  std::unique_ptr<Trainer> trainer_;
  RunFolder folder_;
  const int64_t save_every_, keep_;
  Run& run_;
  std::optional<Metrics> metrics_;
  Progress progress_;
  double training_seconds_ = 0;
  int64_t tokens_ = 0;
  int64_t steps_ = 0;  // of this call
};

}  // namespace

int train_command(const TrainFlags& flags) {
  constexpr int most_threads = 256;
  if (flags.threads && (*flags.threads < 1 || *flags.threads > most_threads)) {
    fail("--threads: wanted 1 to ", most_threads, "; got ", *flags.threads);
  }
  if (flags.threads) set_num_threads(*flags.threads);
  if (flags.save_every < 1) fail("--save-every: wanted at least 1; got ", flags.save_every);
  if (flags.keep < 1) fail("--keep: wanted at least 1; got ", flags.keep);
  return Session(begin(flags), flags).run();
}

}  // namespace rapt::cli
