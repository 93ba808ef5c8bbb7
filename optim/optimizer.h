#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "rapt/autograd/function_ref.h"
#include "rapt/autograd/named_tensors.h"

namespace rapt::optim {

/// Parameters that share their settings. What is unset is the optimizer's own.
struct ParameterGroup {
  NamedTensors parameters;
  std::optional<double> weight_decay = {};
  double lr_scale = 1;                           ///< factor on the learning rate
  std::optional<double> beta1 = {}, beta2 = {};  ///< of optimizers that have them
  std::string prefix = {};  ///< of the names, when two models share one optimizer: "encoder."
};

/// Two groups: matrices (rank 2 and above), which decay, and the rest (biases, gains of norms),
/// which do not.
std::vector<ParameterGroup> decay_groups(const NamedTensors& parameters, double weight_decay);

/// A parameter in an optimizer: its settings, and what the optimizer keeps for it.
struct Slot {
  std::string name;
  Tensor parameter;
  Dtype dtype;   ///< of the parameter when the optimizer was built
  size_t group;  ///< of which it is, from 0 on
  double weight_decay, lr_scale, beta1, beta2;
  /// How often it was changed, this step included. It is the parameter's own, as in PyTorch: one
  /// that has no gradient in most steps keeps its own bias correction.
  int64_t step = 0;
  PoolVector<Tensor> kept = {};  ///< in the order of Optimizer::keep
  PoolVector<const char*> kept_names = {};
};

/// What changes parameters by their gradients. It holds handles to them, and reads grad().
///
/// An optimizer of one's own names what it keeps, and says what a step does:
///
///   class Momentum : public optim::Optimizer {
///    public:
///     explicit Momentum(const NamedTensors& parameters)
///         : Optimizer("Momentum", {{.parameters = parameters}}, {.lr = 0.1}) {
///       keep("velocity");
///     }
///     void update(std::span<optim::Slot* const> slots, double gradient_factor) override {
///       optim::elementwise<1>(slots, gradient_factor, [&](const optim::Slot& slot) {
///         const double lr = lr_of(slot);
///         return [lr](auto g, auto& w, auto& velocity) {
///           using T = decltype(g);
///           velocity = T(0.9) * velocity + g;
///           w -= T(lr) * velocity;
///         };
///       });
///     }
///   };
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Changes every parameter that has a gradient, once. One without a gradient is left alone.
  void step() { step_scaled(1); }

  /// Clips and steps in one pass: as clip_grad_norm over all of its parameters and then step(), but
  /// the factor goes into the update, and grad() stays as it was. Returns the norm of the
  /// gradients. When that is not finite, nothing is changed.
  double step_clipped(double max_norm);
  /// Clears the gradients. Before the forward pass, say: their memory then serves its activations.
  void zero_grad();

  double lr() const { return lr_; }
  /// The learning rate of the next steps. Throws unless it is finite and not negative.
  void set_lr(double lr);

  /// What it is called in errors and files: "AdamW".
  const std::string& name() const { return name_; }

  /// All that a later run needs to go on from here, the parameters themselves aside: "lr", and for
  /// each parameter its "step." and what the optimizer keeps for it ("exp_avg.", say). Handles, not
  /// copies, where it is more than a number.
  NamedTensors state() const;
  /// Takes over what state() gave. Throws when it is that of another optimizer or holds a number
  /// that cannot be, and lists every name that is missing or unexpected and every shape or dtype
  /// that differs; then nothing has been written.
  void load_state(const NamedTensors& state);
  /// Throws where load_state would; writes nothing.
  void check_state(const NamedTensors& state) const;

  /// Handles to what it changes, by name.
  const NamedTensors& parameters() const { return parameters_; }

 protected:
  struct Settings {
    double lr;
    double weight_decay = 0;
    std::optional<double> beta1 = {}, beta2 = {};  ///< in [0, 1); unset: it has none
  };
  /// Throws when there is no parameter at all, one is given twice, is not a dense leaf of f32 or
  /// f64, or a setting is out of its range.
  Optimizer(std::string name, const std::vector<ParameterGroup>& groups, const Settings& settings);

  /// For constructors: something is kept for each parameter under that name, of its shape and 0 at
  /// first; or what `initial` gives, and nothing where that is undefined.
  void keep(const char* name);
  void keep(const char* name, FunctionRef<Tensor(const Slot&)> initial);

  /// One step of those parameters that have a gradient, which is to be read as
  /// slot.parameter.grad() times gradient_factor. It runs without a graph. elementwise() goes
  /// through all in one pass.
  virtual void update(std::span<Slot* const> slots, double gradient_factor) = 0;

  double lr_of(const Slot& slot) const { return lr_ * slot.lr_scale; }
  /// Throws, by the optimizer's name, unless value lies in [0, below).
  void check_setting(const char* setting, double value, double below) const;
  void check_setting(const char* setting, double value) const;  ///< finite and not negative

 private:
  void add(size_t index, const ParameterGroup& group, const Settings& settings);
  void step_scaled(double gradient_factor);

  std::string name_;
  std::vector<Slot> slots_;
  NamedTensors parameters_;  // those of the slots
  double lr_ = 0;
};

}  // namespace rapt::optim
