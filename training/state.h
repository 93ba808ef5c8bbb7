#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "rapt/autograd/random.h"
#include "rapt/data/checkpoint.h"
#include "rapt/nn/module.h"
#include "rapt/optim/lbfgs.h"
#include "rapt/optim/optimizer.h"
#include "rapt/optim/plateau.h"
#include "rapt/optim/schedule.h"

namespace rapt::training {

/// What gives its state as tensors and takes it back, checked before anything is written: modules,
/// optimizers, loaders, averages of weights, and types of the user's that do the same.
template <class T>
concept HasState = requires(T& part, const T& as_saved, const NamedTensors& state) {
  { as_saved.state() } -> std::same_as<NamedTensors>;
  as_saved.check_state(state);
  part.load_state(state);
};

class HeldFolder;

struct StateOptions {
  int64_t keep = 3;               ///< of the checkpoints, so many of the newest; >= 1
  bool larger_is_better = false;  ///< what best() is given is an accuracy, say, and no loss
};

struct ResumeOptions {
  /// Parts that begin anew: of these, nothing is taken from the checkpoint. So a run goes on with
  /// more steps (without its "schedule") or with other data (without its "loader"), and a part that
  /// was saved, or is new, need not be on both sides.
  std::vector<std::string> without = {};
};

/// All that a run needs to go on, as one object in one folder: whatever is added is saved, and
/// comes back as it was, to the bit.
///
///   training::State run("runs/reverse");
///   run.add("model", model);
///   run.add("optimizer", adam);
///   run.add("schedule", schedule);
///   run.add("loader", loader);
///   run.resume();  // goes on if the folder holds a run, else begins one
///   while (run.step() < 2000) {
///     const NamedTensors batch = loader.next();
///     adam.zero_grad();
///     cross_entropy(model(batch["tokens"]), batch["targets"]).mean().backward();
///     adam.set_lr(schedule.at(run.step()));
///     adam.step_clipped(1);
///     run.advance();
///     if (run.step() % 200 == 0) run.save();
///   }
///
/// Nothing is lost in silence: a part that was saved and is not added, or is added and was not
/// saved, is named; so are weights that an optimizer trains and that no part saves. All parts are
/// checked before one of them is written. A folder that holds a run is not written to before
/// resume(), nor by two processes at once. Weights that are not finite are not saved.
///
/// It refers to its parts, which must outlive it.
class State {
 public:
  /// Touches nothing yet. Throws when an option is out of range.
  explicit State(std::string folder, const StateOptions& options = {});
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  /// Adds a part under a name: what HasState, a generator (Rng), a ReduceOnPlateau, or a value of
  /// the caller's own (whole numbers, double, bool, std::string), which resume() sets.
  ///
  /// A Schedule has no state but the step, and Values are settings of the caller's own: they are
  /// noted, and resume() throws when they were others.
  ///
  /// Throws when the name is taken, empty, or has a dot, and after resume() or save().
  template <class T>
  void add(std::string name, T& part) {
    using Plain = std::remove_const_t<T>;
    if constexpr (std::same_as<Plain, optim::Schedule>) {
      add_part(std::move(name), new Fixed(part.values()));
    } else if constexpr (std::same_as<Plain, Values>) {
      add_part(std::move(name), new Fixed(part));
    } else if constexpr (HasState<T>) {
      add_part(std::move(name), new Tensors<T>(part));
    } else if constexpr (std::same_as<T, Rng>) {
      add_part(std::move(name), new Generator(part));
    } else if constexpr (std::same_as<T, optim::ReduceOnPlateau>) {
      add_part(std::move(name), new Plateau(part));
    } else {
      static_assert(
          std::integral<T> || std::same_as<T, double> || std::same_as<T, std::string>,
          "State::add: wanted what has state(), check_state() and load_state(), an Rng, "
          "a Schedule, Values, a ReduceOnPlateau, or a variable: a whole number, double, bool or "
          "std::string");
      add_part(std::move(name), new Value<T>(part));
    }
  }

  /// Steps done: 0 in a new run.
  int64_t step() const { return step_; }
  /// One more step is done: after the optimizer's, before save().
  void advance() { ++step_; }

  /// Goes on from the newest checkpoint in the folder; false when it holds none, and then nothing
  /// is changed. Throws, and changes nothing, when the parts differ from those saved, one does not
  /// fit, larger_is_better was otherwise, or the checkpoint is damaged: then the message names the
  /// newest one that is whole.
  bool resume(const ResumeOptions& options = {});

  /// Saves the run as it is as that of step(): all or nothing, and only then are the oldest
  /// checkpoints removed. Makes the folder if need be. Returns the path.
  ///
  /// Throws, and leaves what is there as it is, when the folder holds a run that was not resumed,
  /// another process is at work in it, it has been removed since, a weight is not finite, or it
  /// could not be written. It can be tried again.
  std::string save();

  /// Tells how good the run is now, after an evaluation. If it is better than ever before, saves it
  /// as best.rapt beside the other checkpoints, and returns true. NaN is never better.
  bool best(double metric);
  /// The best metric so far, and the number of best() calls since: to stop early.
  std::optional<double> best_metric() const { return best_; }
  int64_t evaluations_since_best() const { return since_best_; }

  /// What save() writes: each part's tensors and values behind its name, "step" and "parts".
  data::Checkpoint checkpoint() const;

  const std::string& folder() const { return folder_; }

 private:
  friend class Loop;

  /// A part as a fragment of a checkpoint.
  struct Part {
    virtual ~Part() = default;
    virtual const void* address() const { return nullptr; }
    virtual data::Checkpoint saved() const = 0;
    /// Throws where load would; changes nothing.
    virtual void check(const data::Checkpoint& saved) const = 0;
    virtual void load(const data::Checkpoint& saved) = 0;
    /// Of a module: what has to be finite, and what an optimizer may change.
    virtual NamedTensors weights() const { return {}; }
    /// What it changes, if it is an optimizer.
    virtual NamedTensors trained() const { return {}; }
  };

  template <class T>
  struct Tensors : Part {
    explicit Tensors(T& of) : part(of) {}
    const void* address() const override {
      if constexpr (std::derived_from<T, optim::Optimizer>) {
        return static_cast<const optim::Optimizer*>(&part);
      } else {
        return &part;
      }
    }
    data::Checkpoint saved() const override { return {part.state(), {}}; }
    void check(const data::Checkpoint& saved) const override { part.check_state(saved.tensors); }
    void load(const data::Checkpoint& saved) override { part.load_state(saved.tensors); }
    NamedTensors weights() const override {
      if constexpr (std::derived_from<T, nn::Module>) return part.parameters();
      return {};
    }
    NamedTensors trained() const override {
      if constexpr (std::derived_from<T, optim::Optimizer> || std::same_as<T, optim::LBFGS>) {
        return part.parameters();
      }
      return {};
    }
    T& part;
  };

  struct Generator : Part {
    explicit Generator(Rng& of) : rng(of) {}
    data::Checkpoint saved() const override;
    void check(const data::Checkpoint& saved) const override;
    void load(const data::Checkpoint& saved) override;
    Rng& rng;
  };

  struct Plateau : Part {
    explicit Plateau(optim::ReduceOnPlateau& of) : plateau(of) {}
    data::Checkpoint saved() const override;
    void check(const data::Checkpoint& saved) const override;
    void load(const data::Checkpoint& saved) override;
    optim::ReduceOnPlateau& plateau;
  };

  /// Settings that have to be the same when the run goes on.
  struct Fixed : Part {
    explicit Fixed(const Values& of);
    data::Checkpoint saved() const override;
    void check(const data::Checkpoint& saved) const override;
    void load(const data::Checkpoint&) override {}
    Values values;
  };

  template <class T>
  struct Value : Part {
    explicit Value(T& of) : value(of) {}
    data::Checkpoint saved() const override {
      if constexpr (std::integral<T> && !std::same_as<T, bool>) {
        if (!std::in_range<int64_t>(value)) fail_range("one of 64 bits with a sign");
      }
      data::Checkpoint out;
      out.values.set("value", value);
      return out;
    }
    void check(const data::Checkpoint& saved) const override { read(saved); }
    void load(const data::Checkpoint& saved) override { value = read(saved); }
    static T read(const data::Checkpoint& saved) {
      if constexpr (std::same_as<T, std::string>) {
        return saved.values.text("value");
      } else if constexpr (std::same_as<T, bool>) {
        return saved.values.boolean("value");
      } else if constexpr (std::same_as<T, double>) {
        return saved.values.number("value");
      } else {
        return integer<T>(saved.values.integer("value"));
      }
    }
    T& value;
  };
  /// As that type; throws when it is too large for it.
  template <class T>
  static T integer(int64_t value) {
    if (!std::in_range<T>(value)) fail_range("one that the variable can hold");
    return static_cast<T>(value);
  }
  [[noreturn]] static void fail_range(const char* wanted);

  struct Named {
    std::string name;
    Part* part;  // owned, as held_ is: a unique_ptr takes longer to compile than all of this
  };
  void add_part(std::string name, Part* part);
  /// The name of a part; none if it is not one.
  std::optional<std::string> name_of(const void* address) const;
  void remove(const void* address);
  bool is_better(double metric) const;
  void take_best(const Values& values);
  void open_folder(const char* function);
  void check_weights(const char* function) const;
  void prepare_to_save(const char* function);
  std::string write() const;        // what save() does after that
  bool take_metric(double metric);  // what best() does after that
  void load(const data::Checkpoint& checkpoint, const ResumeOptions& options);

  std::string folder_;
  StateOptions options_;
  std::vector<Named> parts_;
  HeldFolder* held_ = nullptr;
  bool is_open_ = false;     // resume() was called, or save(): no more parts
  bool is_ours_ = false;     // the run in the folder is this one: resumed, or begun here
  bool is_changed_ = false;  // resumed without some parts: what the file says is out of date
  int64_t step_ = 0;
  std::optional<double> best_;
  int64_t since_best_ = 0;
};

}  // namespace rapt::training
