#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rapt/autograd/named_tensors.h"

namespace rapt::optim {

/// Parameters that share their settings.
struct ParameterGroup {
  NamedTensors parameters;
  std::optional<double> weight_decay = {};  ///< unset: the optimizer's own
  double lr_scale = 1;                      ///< factor on the learning rate
};

/// Two groups: matrices (rank 2 and above), which decay, and the rest (biases, gains of norms),
/// which do not.
std::vector<ParameterGroup> decay_groups(const NamedTensors& parameters, double weight_decay);

/// What changes parameters by their gradients. It holds handles to them, and reads grad().
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Changes every parameter that has a gradient, once. One without a gradient is left alone.
  void step() { update(1); }

  /// Clips and steps in one pass: as clip_grad_norm over all of its parameters and then step(), but
  /// the factor goes into the update, and grad() stays as it was. Returns the norm of the
  /// gradients. When that is not finite, nothing is changed.
  double step_clipped(double max_norm);
  /// Clears the gradients. Before the forward pass, say: their memory then serves its activations.
  void zero_grad();

  double lr() const { return lr_; }
  /// The learning rate of the next steps. Throws unless it is finite and not negative.
  void set_lr(double lr);

  /// All that a later run needs to go on from here, the parameters themselves aside. Handles, not
  /// copies, where it is more than a number.
  virtual NamedTensors state() const = 0;
  /// Takes over what state() gave. Throws, listing every name that is missing or unexpected and
  /// every shape or dtype that differs; then nothing has been written.
  virtual void load_state(const NamedTensors& state) = 0;

 protected:
  /// Throws when there is no parameter at all, one is given twice, is not a dense leaf of f32 or
  /// f64, or a setting is negative.
  Optimizer(const std::vector<ParameterGroup>& groups, double lr, double weight_decay);

  /// One parameter with the settings of its group.
  struct Slot {
    std::string name;
    Tensor parameter;
    double weight_decay;
    double lr_scale;
  };
  const std::vector<Slot>& slots() const { return slots_; }

  /// The step, with each gradient times gradient_factor.
  virtual void update(double gradient_factor) = 0;

 private:
  std::vector<Slot> slots_;
  NamedTensors parameters_;  // those of the slots
  double lr_;
};

}  // namespace rapt::optim
