#pragma once

#include <memory>
#include <string>

#include "rapt/autograd/owned_function.h"
#include "rapt/nn/module.h"

namespace rapt::nn {

/// One call of a layer that has ended.
struct LayerCall {
  const std::string& path;  ///< in the model, such as "blocks.0.attention"; empty for the model
  const Tensor& input;      ///< the first, if it has several; undefined if it has none
  const Tensor& output;
};

struct ForwardHookOptions {
  /// Shows the weights of every MultiHeadAttention too, [B, H, Tq, Tk] before dropout, as its layer
  /// "weights": they are computed for it, in memory and time of Tq x Tk.
  bool attention_weights = false;
};

/// While one lives, this thread shows each call of a layer of `model` to f, inner layers first.
/// What f returns, of the output's shape and dtype, takes the output's place, with its gradient; an
/// undefined tensor leaves it. So activations are read, replaced or switched off by name, without a
/// change to the model:
///
///   std::map<std::string, Tensor> seen;
///   const nn::ForwardHook hook(model, [&](const nn::LayerCall& call) {
///     seen[call.path] = call.output;
///     return call.path == "blocks.1.feed_forward" ? call.output * 0.0 : Tensor();
///   });
///   model(ids);
///
/// A MultiHeadAttention shows what its heads give, [B, H, Tq, d] before `output` joins them, as its
/// layer "heads": to measure heads, or to switch one off. See also ForwardHookOptions, and heads.h.
///
/// Each layer is seen as it is called: what rapt's layers compute together (query, key and value of
/// attention, say) is computed one by one while a hook lives, to the same values. Several hooks see
/// a call in the order in which they were made, each what the one before it left. Layers that f
/// calls itself are shown to nobody. A layer under several names goes by the first; one without
/// call() in its operator() is not seen. Under recompute, blocks run again in backward(): the hooks
/// that saw their layers in the first run have to be there still, and see them again. Hooks end in
/// any order, but on the thread that made them: anything else ends the program.
class ForwardHook {
 public:
  using Function = OwnedFunction<Tensor(const LayerCall&)>;

  [[nodiscard]] ForwardHook(const Module& model, Function f, ForwardHookOptions options = {});
  ~ForwardHook();
  ForwardHook(const ForwardHook&) = delete;
  ForwardHook& operator=(const ForwardHook&) = delete;

  /// True when some model's layers are watched on this thread.
  static bool any();
  /// True when one of them asks for the weights of attention.
  static bool any_for_attention_weights();

 private:
  friend class Module;
  struct Body;
  struct List;
  static const std::shared_ptr<List>& of_this_thread();
  /// What the hooks put in the place of an output; undefined if nothing.
  static Tensor shown(const void* layer, const Tensor& input, const Tensor& output);

  const std::shared_ptr<List> list_;  // of the thread that made it; it may end after that list
  const std::shared_ptr<Body> body_;
};

}  // namespace rapt::nn
