#pragma once

#include <cstdint>
#include <vector>

#include "rapt/autograd/values.h"

namespace rapt::optim {

/// A learning rate as a function of the step: a plain value, so there is nothing to save but the
/// step, and nothing that counts steps behind the loop's back. Steps count from 0, and at(step) is
/// the rate of that step's update.
///
///   const auto schedule = Schedule::cosine({.lr = 3e-3, .warmup = 100, .total = 2000});
///   adam.set_lr(schedule.at(step));
///
/// All but one_cycle, which rises by itself, have a warm-up: over its steps, of which the first
/// already moves, the rate goes up in a straight line, reaching lr with the last. `total` counts
/// the whole training, the warm-up included: from that step on the rate is `end`. Below, n counts
/// the steps since the warm-up, and N is how many there are in all.
class Schedule {
 public:
  struct Constant {
    double lr = 1e-3;
    int64_t warmup = 0;
  };
  struct Decay {
    double lr = 1e-3;
    int64_t warmup = 0;
    int64_t total = 0;  ///< above warmup
    double end = 0;
  };
  struct Polynomial {
    double lr = 1e-3;
    int64_t warmup = 0;
    int64_t total = 0;  ///< above warmup
    double end = 0;
    double power = 2;  ///< above 0
  };
  struct Restarts {
    double lr = 1e-3;
    int64_t warmup = 0;
    int64_t period = 0;  ///< steps of the first cosine; >= 1
    int64_t growth = 1;  ///< how much longer each is than the one before; >= 1
    double end = 0;
  };
  struct Exponential {
    double lr = 1e-3;
    int64_t warmup = 0;
    double factor = 1;  ///< of each step; in (0, 1]
  };
  struct Step {
    double lr = 1e-3;
    int64_t warmup = 0;
    int64_t every = 0;    ///< so many steps; >= 1
    double factor = 0.1;  ///< of each time; above 0
  };
  struct MultiStep {
    double lr = 1e-3;
    int64_t warmup = 0;
    std::vector<int64_t> at = {};  ///< steps of the training, growing, none within the warm-up
    double factor = 0.1;           ///< of each; above 0
  };
  struct OneCycle {
    double lr = 1e-3;  ///< the highest
    int64_t total = 0;
    double rising = 0.3;             ///< the share of the steps before the highest; in (0, 1)
    double start_factor = 1.0 / 25;  ///< times lr: the first rate
    double end_factor = 4e-6;        ///< times lr: the last
  };
  struct InverseSqrt {
    double lr = 1e-3;
    int64_t warmup = 4000;  ///< >= 1
  };
  struct Noam {
    int64_t width = 0;  ///< of the model
    int64_t warmup = 4000;
    double factor = 1;
  };
  struct WarmupStableDecay {
    double lr = 1e-3;
    int64_t warmup = 0;
    int64_t total = 0;
    int64_t decay = 0;  ///< steps of the decay; warmup + decay <= total
    double end = 0;
  };

  /// The same rate for ever.
  static Schedule constant(const Constant& options);
  static Schedule constant(double lr) { return constant(Constant{.lr = lr}); }
  /// A straight line: lr + (end - lr) n / N.
  static Schedule linear(const Decay& options);
  /// end + (lr - end) (1 - n / N)^power.
  static Schedule polynomial(const Polynomial& options);
  /// Half a cosine: end + (lr - end) (1 + cos(pi n / N)) / 2 (arXiv:1608.03983).
  static Schedule cosine(const Decay& options);
  /// One such after the other, each from lr again, for ever.
  static Schedule cosine_restarts(const Restarts& options);
  /// lr factor^n.
  static Schedule exponential(const Exponential& options);
  /// lr factor^floor(n / every).
  static Schedule step(const Step& options);
  /// lr times factor for each of `at` that has been reached.
  static Schedule multi_step(const MultiStep& options);
  /// Half a cosine up and a longer one down (arXiv:1708.07120), as PyTorch's OneCycleLR.
  static Schedule one_cycle(const OneCycle& options);
  /// lr sqrt(warmup / (step + 1)) after the warm-up.
  static Schedule inverse_sqrt(const InverseSqrt& options);
  /// factor width^-0.5 min(s^-0.5, s warmup^-1.5), s = step + 1 (arXiv:1706.03762, eq. 3): the
  /// same, where the width says how high.
  static Schedule noam(const Noam& options);
  /// The same rate until `decay` steps before the end, then a straight line (arXiv:2404.06395): the
  /// training can be prolonged from before the decay.
  static Schedule warmup_stable_decay(const WarmupStableDecay& options);

  /// This one before `step`, and from there on `next`, whose steps count from there.
  Schedule then(int64_t step, const Schedule& next) const;

  /// Throws for a negative step.
  double at(int64_t step) const;

  /// As named values, for a file or a flag, and back: {"kind": "cosine", "lr": "0.003", ...}. What
  /// is missing has its default; throws for a name that the kind does not have.
  Values values() const;
  static Schedule from(const Values& values);

  bool operator==(const Schedule&) const = default;

 private:
  enum class Kind {
    constant,
    linear,
    polynomial,
    cosine,
    cosine_restarts,
    exponential,
    step,
    multi_step,
    one_cycle,
    inverse_sqrt,
    warmup_stable_decay
  };
  /// One schedule of a chain. What a kind does not have is as it is here.
  struct Part {
    Kind kind;
    int64_t start = 0;  // the step of the chain at which it starts
    double lr = 1e-3;
    int64_t warmup = 0, total = 0;
    double end = 0;
    double power = 2;
    int64_t period = 0, growth = 1, every = 0, decay = 0;
    double factor = 0.1, rising = 0.3, start_factor = 1.0 / 25, end_factor = 4e-6;
    std::vector<int64_t> at = {};
    bool operator==(const Part&) const = default;
  };
  explicit Schedule(Part part);
  static void check(const Part& part);
  static double rate(const Part& part, int64_t step);
  template <class F>
  static void for_each_setting(Part& part, F f);
  static Part part_from(const Values& values);

  std::vector<Part> parts_;  // by their start
};

}  // namespace rapt::optim
