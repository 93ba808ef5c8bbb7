#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "rapt/autograd/owned_function.h"
#include "rapt/autograd/tensor.h"

/// Functions of yours that run while gradients are gathered:
///
///   register_hook(hidden, [](const Tensor& g) { return clamp(g, -1, 1); });  // clip on the way
///
///   register_post_accumulate_grad_hook(weight, [&](Tensor& w) {  // update, and keep no gradient
///     step(w);
///     w.clear_grad();
///   });
///
/// Hooks of one tensor run in the order in which they were registered, in the thread that walks,
/// without a graph of their own unless the gradient is to have one (create_graph). They must not
/// capture the tensor that they belong to: that is a cycle. They may take gradients of other
/// graphs, not of the one that is walked. An exception of theirs ends the walk. They go when
/// set_requires_grad(false) does away with the leaf, or a walk frees the op.
namespace rapt {

struct Hooks;

/// A registered hook. It stays when this goes out of scope.
class Hook {
 public:
  Hook() = default;
  Hook(const std::shared_ptr<Hooks>& hooks, uint64_t id) : hooks_(hooks), id_(id) {}
  /// Ends it. Nothing happens if it has ended, with its tensor or before.
  void remove();

 private:
  std::weak_ptr<Hooks> hooks_;
  uint64_t id_ = 0;
};

/// A function of a gradient that returns what takes its place, or nothing.
class GradientHook {
 public:
  GradientHook() = default;
  template <std::invocable<const Tensor&> F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, GradientHook>) GradientHook(F f)
      : f_([f = std::move(f)](const Tensor& gradient) -> Tensor {
          if constexpr (std::is_void_v<std::invoke_result_t<const F&, const Tensor&>>) {
            f(gradient);
            return Tensor();
          } else {
            return f(gradient);
          }
        }) {}

  Tensor operator()(const Tensor& gradient) const { return f_(gradient); }
  explicit operator bool() const { return static_cast<bool>(f_); }

 private:
  OwnedFunction<Tensor(const Tensor&)> f_;
};
using LeafHook = OwnedFunction<void(Tensor& leaf)>;

/// Calls f with d(loss)/d(x) each time that a walk has gathered all of it: one call for each
/// backward() that reaches x, with this walk's gradient alone, and for each grad() that needs it.
/// What f returns, of the same shape and dtype, takes its place: for the ops behind x, for x.grad()
/// and for what grad() gives. Nothing, or an undefined tensor, leaves it as it is.
///
/// Inside recompute's function: on a tensor made there, f runs when the function runs again; on one
/// that comes from outside, it is registered in the first run. A walk through both the function and
/// its gradient (create_graph) runs the function for each, and f sees the gradient of each part.
/// While no graph is recorded (NoGrad), a constant is no error: nothing happens. Whoever hooks a
/// leaf in every forward pass adds a hook each time. The gradient of a leaf with a hook is summed
/// up for each walk by itself, then added to what was there.
///
/// Throws when x requires no gradient, or its graph was freed.
Hook register_hook(const Tensor& x, GradientHook f);

/// Calls f with x after each backward() that has added to x.grad(): as soon as all of this walk's
/// gradient has arrived, while those of older ops are still to come. f may read the gradient, write
/// to it, send it away, replace or clear it (set_grad, clear_grad), and write x itself where the
/// rest of the walk does not need it. grad() adds to nothing, so f is not called; nor is it when
/// no handle on x is left.
/// Throws unless x is a leaf that requires a gradient.
Hook register_post_accumulate_grad_hook(const Tensor& x, LeafHook f);

}  // namespace rapt
