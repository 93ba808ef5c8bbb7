#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rapt/autograd/function_ref.h"
#include "rapt/autograd/named_tensors.h"
#include "rapt/autograd/random.h"

namespace rapt::nn {

/// What every layer is: names for its tensors, and the switch between training and evaluation.
///
///   class Scale : public Module {
///    public:
///     explicit Scale(int64_t width) : weight(parameter("weight", ones({width}))) {}
///     Tensor operator()(const Tensor& x) const {
///       return call(x, [&] { return x * weight; });
///     }
///     Tensor weight;
///   };
///
/// parameter, buffer, child and stream note what they are given under a name and return it, so a
/// layer is a plain class with plain members. They note handles, not the addresses of members:
/// a layer may be moved freely. A copy of a layer aliases it, like a copy of a Tensor: the same
/// elements, names and mode.
///
/// A member that another tensor is put in the place of is no longer what parameters() lists: write
/// into it (copy_from). check_gradient_flow(parameters(), loss) tells, as of a forgotten child().
///
/// Names are dotted paths: a parameter "weight" of a child "up" is "up.weight".
///
/// A layer's forward pass is const and changes nothing of the layer but the streams that it draws
/// from in training: under EvalMode, many threads may call one model at once.
class Module {
 public:
  /// The tensors to be trained, by name, in the order in which they were noted. One that is reached
  /// by several paths is listed once, under the first. Each call makes the list anew, from the
  /// heap: a training loop asks once, before it begins.
  NamedTensors parameters() const;
  /// Elements of all parameters together.
  int64_t parameter_count() const;

  /// The layers below this one by path, in the order in which they were noted: those that
  /// ForwardHooks see, one that is reached by several paths under the first.
  std::vector<std::string> layer_paths() const;

  /// How this layer is built, as far as its tensors' shapes do not say it: of rapt's models and
  /// layers, the options that are not as by default, named as their fields ("block.norm"), and the
  /// heads that are left ("blocks.0.attention.kept_heads"); of a layer of the user's, what
  /// configure() was given and what the layers below say, behind their paths. A model of rapt's is
  /// built anew from it. Goes with parameters() and state().
  Values configuration() const;

  /// All that a later run needs to go on from here: parameters, buffers (both as handles, not
  /// copies) and the streams of random numbers (each as i64 [2], see Rng::state).
  NamedTensors state() const;
  /// Takes over what state() gave. Throws, listing every name that is missing or unexpected, every
  /// shape or dtype that differs, and whatever differs in the configuration if `state` has one, but
  /// what weights can do without: context, dropout, stddev and recompute. Then nothing has been
  /// written.
  void load_state(const NamedTensors& state);
  /// Throws where load_state would; writes nothing.
  void check_state(const NamedTensors& state) const;
  /// As load_state, for the parameters alone: weights that come from elsewhere.
  void load_parameters(const NamedTensors& parameters);

  /// Sets the mode of this layer and of all below it. New layers are in training mode.
  void train(bool on = true);
  void eval() { train(false); }
  /// False in evaluation mode, and on a thread that is inside an EvalMode.
  bool training() const;

  /// Gives every f32 and f64 parameter and buffer that dtype, behind all handles. Gradients are
  /// dropped. Build the optimizer afterwards.
  void to(Dtype dtype);

 protected:
  Module();
  ~Module() = default;
  // Declared so that a moved-from layer keeps its registry, and so stays usable.
  Module(const Module&) = default;
  Module& operator=(const Module&) = default;

  // Each throws when the name is empty or already taken.

  /// Asks for the gradient of t. f32 or f64.
  Tensor parameter(std::string name, Tensor t);
  /// A tensor that belongs to the state but is not trained.
  Tensor buffer(std::string name, Tensor t);
  /// A layer inside this one. For a list, number the names:
  /// blocks.push_back(child("blocks." + std::to_string(i), Block(...))).
  template <std::derived_from<Module> Layer>
  Layer child(std::string name, Layer layer) {
    note_child(std::move(name), layer);
    return layer;
  }
  /// A layer that goes by this one's name: its tensors and layers are named as if they were this
  /// layer's own, and hooks do not see it as a layer.
  template <std::derived_from<Module> Layer>
  Layer part(Layer layer) {
    note_part(layer);
    return layer;
  }
  /// A stream of random numbers that is part of the state.
  std::shared_ptr<Rng> stream(std::string name, Rng rng);

  /// What configuration() says of this layer, beside what the layers below say.
  void configure(Values settings);
  /// The same, for settings that tell how the layers below are built, too: those say nothing more.
  void configure_with_layers(Values settings);
  /// One more setting, for all copies; said beside those of a layer above that was configured.
  void reconfigure(std::string_view name, std::string_view value);

  /// forward(), as a call of this layer: errors name its path, and ForwardHooks see it. x is the
  /// layer's input (the first of several), undefined if it has none. A layer whose operator() does
  /// without works the same, but has no name while it runs.
  Tensor call(const Tensor& x, FunctionRef<Tensor()> forward) const;
  /// Shows a value to the ForwardHooks that see this layer, as its input and output: what they put
  /// in its place, undefined if nothing.
  Tensor shown(const Tensor& value) const;

 private:
  friend class ForwardHook;
  struct Registry;
  class Running;

  /// f(path, layer) for this layer, whose path is empty, and all below. `layer` is the same for all
  /// copies of a layer.
  void visit_layers(FunctionRef<void(const std::string&, const void*)> f) const;
  void note_child(std::string name, const Module& layer);
  void note_part(const Module& layer);

  std::shared_ptr<Registry> registry_;
};

/// While one lives, the layers that this thread calls are in evaluation mode, whatever train()
/// says. Nothing is written, so each thread may have its own.
class EvalMode {
 public:
  [[nodiscard]] EvalMode();
  ~EvalMode();
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;
};

}  // namespace rapt::nn
