#pragma once

#include <cstdint>

#include "rapt/autograd/named_tensors.h"

namespace rapt::optim {

/// An average of the weights over the steps, which is often better than the last of them: what is
/// evaluated and kept, while the training goes on with its own.
///
///   auto average = WeightAverage::exponential(model.parameters(), 0.999);
///   ...
///   adam.step();
///   average.update();
///   ...
///   {
///     const WeightAverage::Swap swap(average);  // the model has the averages until the brace
///     evaluate(model);
///   }
class WeightAverage {
 public:
  /// average = decay average + (1 - decay) weights, decay in [0, 1) (Polyak's). In the first steps
  /// (1 + n) / (10 + n) takes the place of a larger decay, so that they are not the start's;
  /// `warmup` false leaves that out.
  static WeightAverage exponential(const NamedTensors& parameters, double decay,
                                   bool warmup = true);
  /// The mean of the weights at each update() (stochastic weight averaging, arXiv:1803.05407).
  static WeightAverage equal(const NamedTensors& parameters);

  WeightAverage(WeightAverage&&) = default;
  WeightAverage& operator=(WeightAverage&&) = default;

  /// Takes in the weights as they are now. The first time, the averages are the weights.
  void update();
  int64_t updates() const { return updates_; }

  /// Copies of their own, in the parameters' dtypes.
  const NamedTensors& averages() const { return averages_; }

  /// While it lives the parameters have the averages' values, and after it their own again. The
  /// training must not go on in between: update() throws.
  class Swap {
   public:
    explicit Swap(WeightAverage& average);
    ~Swap();
    Swap(const Swap&) = delete;
    Swap& operator=(const Swap&) = delete;

   private:
    WeightAverage& average_;
  };

  /// "updates" and the averages. Handles, as an optimizer's.
  NamedTensors state() const;
  void load_state(const NamedTensors& state);
  /// Throws where load_state would; writes nothing.
  void check_state(const NamedTensors& state) const;

 private:
  WeightAverage(const NamedTensors& parameters, double decay, bool warmup);
  void exchange();

  NamedTensors parameters_, averages_;
  double decay_;  // below 0: each counts the same
  bool warmup_, swapped_ = false;
  int64_t updates_ = 0;
};

}  // namespace rapt::optim
