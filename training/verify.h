#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rapt/autograd/function_ref.h"
#include "rapt/autograd/ops/loss.h"
#include "rapt/autograd/owned_function.h"
#include "rapt/nn/module.h"
#include "rapt/optim/optimizer.h"

namespace rapt::training {

/// What is promised of one of a batch's tensors that the model reads.
struct InputPromise {
  std::string name;         ///< of a tensor [B, T] or [B, T, ...]: rows, and places in a row
  bool causal = false;      ///< place t of the output [B, T, ...] knows nothing of what is behind t
  bool next_token = false;  ///< the target of place t is the input's place t + 1, or none
  /// The name of i64 [B]: the first so many places of a row count, the others are padding and have
  /// no say. Empty: all count, or as padding_token says.
  std::string lengths = {};
  /// What fills up rows at their end where the model finds their lengths by itself.
  std::optional<int64_t> padding_token = {};
  /// The name of i64 [B, T]: which document each place belongs to. Those of others have no say.
  std::string documents = {};
  bool ordered = true;      ///< two places that are exchanged are not the same to the model
  bool every_place = true;  ///< each place that counts has a say (not under max-pooling, say)
  /// Whether the places of the output [B, T, ...] are this input's. Unset: they are those of a
  /// causal one, or if none is, of each that has as many, if the output has at least three axes.
  std::optional<bool> along_output = {};
};

/// What is promised of a model, its loss and a batch.
struct Promises {
  std::vector<InputPromise> inputs;  ///< all that the model reads; what else the batch has, such as
                                     ///< targets, the output does not depend on
  bool rows = true;  ///< the rows of a batch know nothing of one another (no BatchNorm)
  /// Near which the loss of a new model lies: log(classes). Unset, of a trained one: not checked.
  std::optional<double> first_loss = {};
  double first_loss_within = 1;
  bool loss_adds_up = true;  ///< a batch's Loss is the sum of its rows' (not that of InfoNCE)
  bool overfits = true;      ///< a few rows can be learnt by heart
  double lowest_loss = 0;    ///< that there can be: with label_smoothing it is above 0
  /// Gradients are those of the loss: no straight-through estimates, nothing detached on purpose.
  bool differentiable = true;
  std::vector<std::string> frozen = {};  ///< how the names of parameters begin that never change
  const optim::Optimizer* optimizer = nullptr;  ///< if given: it has all other parameters, alone
  /// If given: the output of a model built anew, with other random numbers, that has taken over
  /// this state().
  OwnedFunction<Tensor(const NamedTensors& state, const NamedTensors& batch)> rebuilt = {};
};

/// What became of one promise.
struct VerifiedPromise {
  enum class Outcome : uint8_t { kept, broken, not_checked };
  std::string name;  ///< "rows", "causal", "padding", ...
  Outcome outcome = Outcome::kept;
  std::string text;  ///< where it is broken, and by what; or what was not checked, and why
};

/// What verify() found. Converts to true when no promise is broken.
struct Verification {
  std::vector<VerifiedPromise> promises;
  std::string text;  ///< a line for each broken one; empty when there is none
  explicit operator bool() const { return text.empty(); }
};

/// Tries before a training whether model, loss and data do what is believed of them:
///
///   const auto found = training::verify(
///       model, loader.next(),
///       [&](const NamedTensors& batch) { return model(batch["tokens"]); },
///       [](const Tensor& logits, const NamedTensors& batch) {
///         return cross_entropy(logits, batch["targets"]);
///       },
///       {.inputs = {{.name = "tokens", .causal = true, .next_token = true}},
///        .first_loss = std::log(vocabulary)});
///   if (!found) std::cerr << found.text << '\n';
///
/// Values and gradients:
///   rows        a row of the output depends on its own row of the batch alone
///   causal      on nothing behind its place
///   padding     on nothing behind the lengths
///   alone       a row that is a batch by itself, without padding, gives the same
///   documents   on no other document
///   inputs      on nothing but the inputs, and on each place of them
///   order       on the order of the places, when rows were learnt
///   evaluation  on no random number in evaluation mode; in training on those of the state alone
/// The loss:
///   first_loss  finite and where it should be
///   loss        the sum of its rows', each of which has a say; padding is no target
///   next_token  the targets, as the loss's gradient shows them, are the next tokens
///   gradients   agree with differences of the loss along them, for each parameter
/// The training, of at most 4 rows by Adam without dropout:
///   overfits    the loss falls to a quarter
///   parameters  each has changed, but frozen ones; the loss trains no other; the optimizer has all
///   state       state() taken before and loaded again gives the same bits, and that of the
///               trained model does in `rebuilt`
///
/// Every tensor of the batch is [B, ...]. Of at least 2 rows at most 8 are used. What is changed is
/// put back: the model, its streams and gradients are as before. Values must agree to the bit where
/// a row is compared with itself in the same batch, else to 1e-4 of the output. The price is that
/// of some hundred steps of 8 rows, in the worst case a thousand: of a large model, try a small
/// one.
///
/// Throws when a promise names what the batch has not, or has in another shape.
///
/// forward: batch -> output [B, ...], f32 or f64; loss: of that output and that batch
Verification verify(nn::Module& model, const NamedTensors& batch,
                    FunctionRef<Tensor(const NamedTensors& batch)> forward,
                    FunctionRef<Loss(const Tensor& output, const NamedTensors& batch)> loss,
                    const Promises& promises);

}  // namespace rapt::training
