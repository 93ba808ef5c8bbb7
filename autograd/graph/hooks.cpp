#include "rapt/autograd/graph/hooks.h"

#include <algorithm>
#include <atomic>

#include "rapt/autograd/error.h"
#include "rapt/autograd/graph/rule_run.h"

namespace rapt {
namespace {

std::atomic<int64_t> leaves_with_hooks{0};

template <class List>
bool is_there(const List& list, uint64_t id) {
  return std::any_of(list.begin(), list.end(), [id](const auto& one) { return one.id == id; });
}

}  // namespace

Hooks::Hooks(bool of_leaf) : of_leaf_(of_leaf) {
  if (of_leaf) leaves_with_hooks.fetch_add(1, std::memory_order_relaxed);
}

Hooks::~Hooks() {
  if (of_leaf_) leaves_with_hooks.fetch_sub(1, std::memory_order_relaxed);
}

Tensor through_hooks(const std::shared_ptr<Hooks>& hooks, const Tensor& gradient) {
  if (!hooks || !gradient.defined()) return gradient;
  Tensor out = gradient;
  const auto now = hooks->gradient;  // a hook may remove itself and others, or register some
  for (const auto& one : now) {
    if (!is_there(hooks->gradient, one.id)) continue;
    const Tensor replaced = (*one.f)(out);
    if (!replaced.defined()) continue;
    if (replaced.shape() != out.shape() || replaced.dtype() != out.dtype()) {
      fail("register_hook: wanted from the hook a gradient ", out.dtype(), out.shape(), "; got ",
           replaced.dtype(), replaced.shape());
    }
    out = replaced;
  }
  return out;
}

void HookedLeaves::find(const Edge& output) {
  if (leaves_with_hooks.load(std::memory_order_relaxed) == 0) return;
  count(output);
  while (!open_.empty()) {
    const Node* const node = open_.back();
    open_.pop_back();
    for (const Edge& edge : node->inputs) count(edge);
  }
}

HookedLeaves::One* HookedLeaves::one_of(const Leaf* leaf) {
  if (leaves_.empty()) return nullptr;
  const auto at = places_.find(leaf);
  return at == places_.end() ? nullptr : &leaves_[at->second];
}

void HookedLeaves::count(const Edge& edge) {
  if (edge.node) {
    if (seen_.insert(edge.node.get()).second) open_.push_back(edge.node.get());
    return;
  }
  if (!edge.leaf || !edge.leaf->hooks) return;
  const auto [place, is_new] = places_.try_emplace(edge.leaf.get(), leaves_.size());
  if (is_new) leaves_.push_back({edge.leaf, !edge.leaf->hooks->gradient.empty()});
  ++leaves_[place->second].edges;
}

Tensor* HookedLeaves::destination(Leaf& leaf) {
  One* const one = one_of(&leaf);
  return one != nullptr && one->apart ? &one->pending : &leaf.grad;
}

void HookedLeaves::pass(const Edge& edge, bool arrived) {
  One* const one = one_of(edge.leaf.get());
  if (one == nullptr) return;
  one->arrived = one->arrived || arrived;
  if (--one->edges == 0) complete(*one);
}

void HookedLeaves::finish() {
  for (One& one : leaves_) {
    if (!one.complete) complete(one);
  }
}

void HookedLeaves::complete(One& one) {
  one.complete = true;
  if (!one.arrived) return;
  const std::shared_ptr<Hooks> hooks = one.leaf->hooks;
  if (one.apart) {
    gather(one.leaf->grad, through_hooks(hooks, one.pending), true);
    one.pending = Tensor();
  }
  if (!hooks) return;
  const std::shared_ptr<TensorImpl> impl = hooks->tensor.lock();
  if (!impl) return;  // nobody is left to see its gradient
  Tensor tensor = handle_on(impl);
  const auto now = hooks->leaf;
  for (const auto& one_hook : now) {
    if (is_there(hooks->leaf, one_hook.id)) (*one_hook.f)(tensor);
  }
}

}  // namespace rapt
