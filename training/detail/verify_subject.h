#pragma once

// Private to rapt's own sources.

#include <optional>
#include <string>
#include <vector>

#include "rapt/training/verify.h"

namespace rapt::training::detail {

using Forward = FunctionRef<Tensor(const NamedTensors&)>;
using LossOf = FunctionRef<Loss(const Tensor&, const NamedTensors&)>;

/// What a model makes of a batch at the places that are watched.
struct Seen {
  Tensor output;      ///< [B, ...], no graph
  Tensors gradients;  ///< of the watched part of the output, for each trained parameter
};

/// The first number that is not the same, in words; empty when all are. `as_close_as`: relative to
/// the largest of them.
std::string difference(const std::string& name, const Tensor& before, const Tensor& now,
                       double as_close_as);

/// The model's state() in memory of its own.
NamedTensors copy_of_state(const nn::Module& model);

/// A model and its loss, whose state and gradients are as they were when this ends, whatever was
/// done to them in between.
class Subject {
 public:
  Subject(nn::Module& model, Forward forward, LossOf loss);
  ~Subject();
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  Tensor output(const NamedTensors& batch) const;
  double loss(const NamedTensors& batch) const;
  Loss loss_of_output(const Tensor& output, const NamedTensors& batch) const;
  /// The loss's gradient for each trained parameter; zeros where there is none.
  Tensors gradients(const NamedTensors& batch) const;
  /// d(loss) / d(output), where that is the output.
  Tensor output_gradient(const Tensor& output, const NamedTensors& batch) const;
  /// watched: b8 [B] or [B, T], rows or places of the output [B, T, ...].
  Seen see(const NamedTensors& batch, const Tensor& watched) const;
  /// How two of them differ at the watched places: the output to the bit, gradients nearly so.
  std::string difference(const Seen& before, const Seen& now, const Tensor& watched) const;

  /// Weights, buffers and streams as they were when it was made.
  void restore();

  /// Whether the model is seen as it is given, in training mode if it is in that: random numbers
  /// are then the same in every call. Else in evaluation mode.
  bool as_given = false;

  nn::Module& model;
  const Forward forward;
  const LossOf loss_of;
  const NamedTensors parameters;           ///< all
  std::vector<std::string> trained_names;  ///< of those that require a gradient
  Tensors trained;                         ///< and they themselves
  /// As it was.
  const NamedTensors& state() const { return state_; }

 private:
  class Run;
  Tensors gradients_of(const Tensor& y, const Tensors& cotangents) const;

  NamedTensors state_;  // copies
  Tensors gradients_;   // of all parameters, as they were
};

}  // namespace rapt::training::detail
