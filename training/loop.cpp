#include "rapt/training/loop.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

#include "rapt/autograd/assign.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/record.h"
#include "rapt/data/numbered.h"
#include "rapt/optim/clip.h"
#include "rapt/training/detail/differences.h"
#include "rapt/training/stop_signal.h"

namespace rapt::training {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// Steps after which a checkpoint that could not be written is tried again.
constexpr int64_t steps_to_next_try = 10;

constexpr double seconds_between_flushes = 1;

// What a loss has to be compared with: a mean over some 50 steps, once there were 20.
constexpr double late_loss_memory = 0.98;
constexpr int64_t steps_before_spikes = 20;

double seconds_now() {
  using Seconds = std::chrono::duration<double>;
  return Seconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Tensor number(int64_t value) { return from_values<int64_t>({value}, {}); }

int64_t length_of(const NamedTensors& batch) {
  return batch.empty() ? 0 : batch.begin()->second.size(0);
}

NamedTensors part_of(const NamedTensors& batch, int64_t begin, int64_t end) {
  NamedTensors part;
  for (const auto& [name, tensor] : batch) part.add(name, slice(tensor, 0, begin, end));
  return part;
}

void check(const LoopOptions& o) {
  const auto at_least = [](int64_t least, const char* name, int64_t value) {
    if (value < least) fail("Loop: wanted ", name, " of at least ", least, "; got ", value);
  };
  at_least(1, "steps", o.steps);
  at_least(1, "micro_batches", o.micro_batches);
  at_least(0, "save_every", o.save_every);
  at_least(0, "evaluate_every", o.evaluate_every);
  at_least(0, "patience", o.patience);
  at_least(0, "most_bad_steps", o.most_bad_steps);
  if (o.max_norm && !(*o.max_norm > 0)) {
    fail("Loop: wanted max_norm > 0; got ", *o.max_norm);
  }
  if (o.spike != 0 && !(o.spike > 1)) {
    fail("Loop: wanted spike above 1, or 0 for none; got ", o.spike);
  }
  if (o.on_bad_step == OnBadStep::go_back && o.save_every == 0) {
    fail("Loop: wanted save_every, to have where to go back to, beside OnBadStep::go_back");
  }
  if (!o.evaluate && (o.evaluate_every > 0 || o.patience > 0)) {
    fail("Loop: wanted evaluate, a function, where evaluate_every or patience is set");
  }
}

}  // namespace

// ---- one step ----------------------------------------------------------------------------------

Loop::Loop(State& run, optim::Optimizer& optimizer, data::Loader& loader, LoopOptions options)
    : run_(run), optimizer_(optimizer), loader_(loader), options_(std::move(options)) {
  check(options_);
  if (!run.name_of(&optimizer)) fail("Loop: the optimizer is no part of the run: State::add it");
  if (!run.name_of(&loader)) fail("Loop: the loader is no part of the run: State::add it");
  run.add("loop", *this);
}

Loop::~Loop() { run_.remove(this); }

double Loop::backward(const NamedTensors& batch, FunctionRef<Loss(const NamedTensors&)> loss) {
  const int64_t length = length_of(batch);  // less than usual at the end of an epoch
  const int64_t parts = std::min(options_.micro_batches, std::max<int64_t>(length, 1));
  if (parts == 1) {
    const Tensor mean = loss(batch).mean();
    mean.backward();
    return mean.item();
  }
  double whole = static_cast<double>(length);
  if (options_.count) {
    whole = options_.count(batch);
  } else if (batch.contains("targets")) {
    whole = count_targets(batch["targets"]);
  }
  double total = 0, counted = 0;
  for (int64_t i = 0; i < parts; ++i) {
    const Loss part = loss(part_of(batch, i * length / parts, (i + 1) * length / parts));
    const Tensor share = part.mean(whole);
    share.backward();
    total += share.item();
    counted += part.count;
  }
  if (std::abs(counted - whole) > 1e-6 * std::max(whole, 1.0)) {
    fail("Loop: the losses of the micro-batches count ", counted, ", and the whole batch ", whole,
         ": wanted LoopOptions::count, what the loss of a batch is divided by");
  }
  return total;
}

bool Loop::is_bad(double loss, double gradient_norm) const {
  if (!std::isfinite(loss) || !std::isfinite(gradient_norm)) return true;
  return options_.spike > 0 && good_steps_ >= steps_before_spikes &&
         loss - late_loss_ > (options_.spike - 1) * std::abs(late_loss_);
}

StepReport Loop::step(FunctionRef<Loss(const NamedTensors&)> loss) {
  const double start = seconds_now();
  StepReport report{.epoch = loader_.epoch(), .position = loader_.position()};
  optimizer_.zero_grad();  // before the forward pass, which can use the memory
  const NamedTensors batch = loader_.next();
  report.examples = length_of(batch);
  if (options_.schedule) optimizer_.set_lr(options_.schedule->at(run_.step()));
  report.lr = optimizer_.lr();
  report.loss = backward(batch, loss);
  report.is_bad = is_bad(report.loss, 0);
  if (report.is_bad || options_.before_update) {  // which may hide what is not finite
    report.gradient_norm = optim::grad_norm(optimizer_.parameters());
    report.is_bad = is_bad(report.loss, report.gradient_norm);
  }
  if (!report.is_bad) {
    if (options_.before_update) options_.before_update();
    report.gradient_norm = optimizer_.step_clipped(options_.max_norm.value_or(infinity));
    report.is_bad = is_bad(report.loss, report.gradient_norm);
  }
  if (!report.is_bad && options_.after_update) options_.after_update();
  run_.advance();
  report.step = run_.step();
  if (!report.is_bad) {
    late_loss_ = good_steps_ == 0
                     ? report.loss
                     : late_loss_memory * late_loss_ + (1 - late_loss_memory) * report.loss;
    ++good_steps_;
    // Steps that are gone over again, after going back, are no sign of good.
    if (report.step > last_bad_step_) bad_in_a_row_ = 0;
  }
  report.seconds = seconds_now() - start;
  return report;
}

/// Counts it, and does what the options say; throws where that is to stop.
void Loop::after_bad_step(const StepReport& r) {
  ++bad_steps_, ++bad_in_a_row_;
  last_bad_step_ = std::max(last_bad_step_, r.step);
  const std::string what =
      text("Loop: step ", r.step, " is bad: its loss is ", r.loss, " (of late ", late_loss_,
           ") and its gradients' norm ", r.gradient_norm, ", of the ", r.examples,
           " examples from position ", r.position, " of epoch ", r.epoch, " on");
  if (options_.on_bad_step == OnBadStep::stop) {
    throw BadStep(text(what, "; the weights are as they were before it, and ", run_.folder(),
                       " holds the last checkpoint"),
                  r);
  }
  if (bad_in_a_row_ > options_.most_bad_steps) {
    throw BadStep(text(what, "; there were ", bad_in_a_row_, " in a row, and most_bad_steps is ",
                       options_.most_bad_steps),
                  r);
  }
  std::fprintf(
      stderr, "%s; %s\n", what.c_str(),
      options_.on_bad_step == OnBadStep::skip ? "it is left out" : "back to the last checkpoint");
  if (options_.on_bad_step == OnBadStep::go_back) {
    // What was the best stays it, and so does the count towards the end of patience.
    const auto best = run_.best_;
    const int64_t since_best = run_.since_best_;
    run_.resume({.without = {"loop", *run_.name_of(&loader_)}});
    run_.best_ = best, run_.since_best_ = since_best;
  }
}

NamedTensors Loop::state() const {
  NamedTensors out = {{"late_loss", tensor(late_loss_, Dtype::f64)},
                      {"good_steps", number(good_steps_)},
                      {"bad_steps", number(bad_steps_)},
                      {"bad_in_a_row", number(bad_in_a_row_)},
                      {"last_bad_step", number(last_bad_step_)}};
  if (options_.schedule) out.set_configuration(options_.schedule->values());
  return out;
}

void Loop::check_state(const NamedTensors& given) const {
  const NamedTensors here = state();
  check_assign("Loop::load_state", here, given);
  const std::string differences = detail::differences(given.configuration(), here.configuration());
  if (!differences.empty()) fail("another schedule than the run had:", differences);
  for (const char* name : {"good_steps", "bad_steps", "bad_in_a_row", "last_bad_step"}) {
    const auto count = given[name].values<int64_t>()[0];
    if (count < 0) fail("Loop::load_state: wanted ", name, " >= 0; got ", count);
  }
}

void Loop::load_state(const NamedTensors& given) {
  check_state(given);
  late_loss_ = given["late_loss"].item();
  good_steps_ = given["good_steps"].values<int64_t>()[0];
  bad_steps_ = given["bad_steps"].values<int64_t>()[0];
  bad_in_a_row_ = given["bad_in_a_row"].values<int64_t>()[0];
  last_bad_step_ = given["last_bad_step"].values<int64_t>()[0];
}

// ---- all of them -------------------------------------------------------------------------------

/// One call of run().
class Loop::Running {
 public:
  explicit Running(Loop& loop) : loop_(loop), run_(loop.run_), options_(loop.options_) {
    if (!run_.is_open_) run_.resume();
    // So that a run can be resumed from its first moment on, and to know that saving works.
    if (!data::latest_checkpoint(run_.folder())) save(true);
    saved_at_ = data::latest_checkpoint(run_.folder())->step;
    if (std::exchange(run_.is_changed_, false)) save(true);  // or it would be forgotten again
    open_metrics();
  }

  LoopEnd go(FunctionRef<Loss(const NamedTensors&)> loss) {
    LoopEnd end = LoopEnd::finished;
    while (run_.step() < options_.steps) {
      if (options_.patience > 0 && run_.evaluations_since_best() >= options_.patience) {
        end = LoopEnd::out_of_patience;
        break;
      }
      if (stop_.received() != 0) {
        end = LoopEnd::stopped;
        break;
      }
      StepReport report = loop_.step(loss);
      const bool goes_on = !report.is_bad || options_.on_bad_step == OnBadStep::skip;
      if (goes_on && evaluation_is_due()) report.evaluation = evaluate();
      tell(report);
      if (report.is_bad) {
        loop_.after_bad_step(report);
        if (run_.step() < report.step) open_metrics();  // what came after the checkpoint is gone
      }
      if (save_is_due()) save(false);
    }
    if (run_.step() != saved_at_) save(true);
    loop_.signal_ = stop_.received();
    return end;
  }

 private:
  void open_metrics() {
    metrics_.reset();
    if (options_.metrics) metrics_.emplace(run_.folder(), run_.step());
  }

  void tell(const StepReport& r) {
    if (metrics_) {
      Metrics::Numbers numbers = {
          {"loss", r.loss}, {"lr", r.lr}, {"gradient_norm", r.gradient_norm}};
      numbers.insert(numbers.end(), r.evaluation.begin(), r.evaluation.end());
      metrics_->write(r.step, numbers);
      if (seconds_now() - flushed_at_ > seconds_between_flushes) {
        flushed_at_ = seconds_now();
        written("it is tried again", [&] { metrics_->flush(); });
      }
    }
    if (options_.after_step) options_.after_step(r);
  }

  bool evaluation_is_due() const {
    if (!options_.evaluate) return false;
    const bool is_turn = options_.evaluate_every > 0 && run_.step() % options_.evaluate_every == 0;
    return is_turn || run_.step() == options_.steps;
  }

  Metrics::Numbers evaluate() {
    const NoGrad no_grad;
    const nn::EvalMode eval;
    Evaluation evaluation = options_.evaluate();
    if (evaluation.numbers.empty()) fail("Loop: wanted a metric of evaluate; got none");
    run_.prepare_to_save("Loop::run");
    written("this best is not kept", [&] { run_.take_metric(evaluation.numbers[0].second); });
    return std::move(evaluation.numbers);
  }

  bool save_is_due() const {
    if (run_.step() >= options_.steps) return false;  // saved at the end
    const bool is_turn = options_.save_every > 0 && run_.step() % options_.save_every == 0;
    return is_turn || run_.step() == next_try_;
  }

  void save(bool has_to) {
    run_.prepare_to_save("Loop::run");  // what it throws is no matter of another try
    const auto all = [&] {
      if (metrics_) metrics_->sync();
      run_.write();
      saved_at_ = run_.step();
    };
    if (has_to) return all();
    const bool is_saved = written("it is tried again", all);
    next_try_ = is_saved ? -1 : run_.step() + steps_to_next_try;
  }

  /// False when it could not be, which is told.
  template <class F>
  static bool written(const char* otherwise, F f) {
    try {
      f();
      return true;
    } catch (const Error& error) {
      std::fprintf(stderr, "Loop: %s; the run goes on, and %s\n", error.what(), otherwise);
      return false;
    }
  }

  Loop& loop_;
  State& run_;
  LoopOptions& options_;
  const StopSignal stop_;  // from before the first save on
  std::optional<Metrics> metrics_;
  double flushed_at_ = seconds_now();
  int64_t saved_at_ = -1, next_try_ = -1;
};

LoopEnd Loop::run(FunctionRef<Loss(const NamedTensors&)> loss) {
  signal_ = 0;
  return Running(*this).go(loss);
}

}  // namespace rapt::training
