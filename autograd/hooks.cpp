#include "rapt/autograd/hooks.h"

#include <algorithm>

#include "rapt/autograd/error.h"
#include "rapt/autograd/graph/hooks.h"
#include "rapt/autograd/graph/recording.h"

namespace rapt {
namespace {

std::shared_ptr<Hooks>& hooks_of(const char* function, const TensorImpl& x) {
  if (!x.node) return x.leaf->hooks;
  if (x.node->freed) {
    fail(function, ": the graph behind ", x.node->op,
         " was freed by a walk; register the hook before it, or give it .retain_graph = true");
  }
  return x.node->output(x.output).hooks;
}

template <class F>
void check_given(const char* function, const Tensor& x, const F& f) {
  if (!f) fail(function, ": wanted a function; got an empty one");
  if (!x.defined()) fail(function, ": wanted a tensor; got an undefined one");
}

/// Registers one on x; `list` is Hooks::gradient or Hooks::leaf.
template <class List, class F>
Hook add(const char* function, const Tensor& x, List Hooks::*list, F f) {
  const TensorImpl& impl = *impl_of(x);
  if (is_older_than_rerun(impl)) return {};  // the first run has registered it
  std::shared_ptr<Hooks>& hooks = hooks_of(function, impl);
  if (!hooks) hooks = std::allocate_shared<Hooks>(PoolAllocator<Hooks>(), !impl.node);
  const uint64_t id = next_moment();
  (hooks.get()->*list).push_back({id, std::allocate_shared<F>(PoolAllocator<F>(), std::move(f))});
  if (!impl.node) hooks->tensor = impl_of(x);
  return {hooks, id};
}

}  // namespace

void Hook::remove() {
  const std::shared_ptr<Hooks> hooks = hooks_.lock();
  if (!hooks) return;
  const auto is_this = [this](const auto& one) { return one.id == id_; };
  std::erase_if(hooks->gradient, is_this);
  std::erase_if(hooks->leaf, is_this);
}

Hook register_hook(const Tensor& x, GradientHook f) {
  constexpr const char* function = "register_hook";
  check_given(function, x, f);
  if (!x.requires_grad()) {
    if (!records_graph()) return {};
    fail(function, ": wanted a tensor that requires a gradient; got a constant of shape ",
         x.shape());
  }
  return add(function, x, &Hooks::gradient, std::move(f));
}

Hook register_post_accumulate_grad_hook(const Tensor& x, LeafHook f) {
  constexpr const char* function = "register_post_accumulate_grad_hook";
  check_given(function, x, f);
  if (!x.is_leaf() || !x.requires_grad()) {
    fail(function, ": wanted a leaf that requires a gradient; got ",
         x.is_leaf() ? text("a constant of shape ", x.shape())
                     : text("the output of ", impl_of(x)->node->op));
  }
  return add(function, x, &Hooks::leaf, std::move(f));
}

}  // namespace rapt
