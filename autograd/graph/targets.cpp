#include "rapt/autograd/graph/targets.h"

#include <algorithm>

#include "rapt/autograd/error.h"

namespace rapt {
namespace {

[[noreturn]] void fail_beyond(const Node& node) {
  fail(
      "recompute: wanted a function that uses the same tensors whenever it runs; when it ran "
      "again, ",
      node.op, " used a leaf that it had not used before");
}

}  // namespace

Targets::Targets(TensorList outputs, TensorList inputs) {
  for (const Tensor& input : inputs) {
    const void* place = place_of(input);
    if (place == nullptr) {
      fail("grad: wanted inputs that require a gradient; got a constant of shape ", input.shape());
    }
    slots_.try_emplace(place);
  }
  mark_paths(outputs);
}

Targets::Targets(TensorList outputs, const Tensors& ends, const PoolVector<char>& wanted)
    : bounded_(true) {
  for (size_t i = 0; i < ends.size(); ++i) {
    const void* place = ends[i].defined() ? place_of(ends[i]) : nullptr;
    if (place == nullptr) continue;
    ends_.insert(place);
    if (wanted[i] != 0) slots_.try_emplace(place);
  }
  mark_paths(outputs);
}

Tensors Targets::take(const Tensors& ends) {
  Tensors out;
  for (const Tensor& end : ends) {
    Tensor* const found = end.defined() ? slot(place_of(end)) : nullptr;
    out.push_back(found != nullptr ? *found : Tensor());
    if (found != nullptr) *found = Tensor();
  }
  return out;
}

bool Targets::is_target(const Node& node) const {
  for (size_t i = 0; i < node.output_count(); ++i) {
    if (slots_.contains(&node.output(i))) return true;
  }
  return false;
}

PoolVector<const Node*> Targets::reachable_from(TensorList outputs) const {
  PoolVector<const Node*> reachable;
  PoolSet<const Node*> seen;
  const auto visit = [&](const Node* node) {
    if (node != nullptr && seen.insert(node).second) reachable.push_back(node);
  };
  for (const Tensor& output : outputs) {
    if (!ends_.contains(place_of(output))) visit(impl_of(output)->node.get());
  }
  for (size_t i = 0; i < reachable.size(); ++i) {  // NOLINT(modernize-loop-convert): it grows
    if (slots_.size() == 1 && is_target(*reachable[i])) continue;  // nothing is wanted above
    // What was freed no longer says whether it leads to a target: nothing may be missed.
    reachable[i]->require_not_freed();
    for (const Edge& edge : reachable[i]->inputs) {
      if (bounded_ && edge.leaf && !ends_.contains(edge.leaf.get())) fail_beyond(*reachable[i]);
      if (!ends_at(edge)) visit(edge.node.get());
    }
  }
  return reachable;
}

void Targets::mark_paths(TensorList outputs) {
  PoolVector<const Node*> reachable = reachable_from(outputs);
  // Inputs are older than what is made of them, so by age each node comes after its inputs.
  std::sort(reachable.begin(), reachable.end(),
            [](const Node* a, const Node* b) { return a->order < b->order; });
  for (const Node* node : reachable) {
    const bool leads = std::any_of(node->inputs.begin(), node->inputs.end(),
                                   [this](const Edge& edge) { return wants(edge); });
    if (leads) paths_.insert(node);
  }
}

}  // namespace rapt
