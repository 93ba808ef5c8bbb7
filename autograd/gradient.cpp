#include "rapt/autograd/gradient.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "rapt/autograd/graph/node.h"
#include "rapt/autograd/graph/reuse.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/sum_to.h"

namespace rapt {
namespace {

[[noreturn]] void fail_beyond(const Node& node) {
  fail(
      "recompute: wanted a function that uses the same tensors whenever it runs; when it ran "
      "again, ",
      node.op, " used a leaf that it had not used before");
}

template <class Key>
using PoolSet = std::unordered_set<Key, std::hash<Key>, std::equal_to<Key>, PoolAllocator<Key>>;
template <class Key, class T>
using PoolMap = std::unordered_map<Key, T, std::hash<Key>, std::equal_to<Key>,
                                   PoolAllocator<std::pair<const Key, T>>>;

/// The gradients asked for, and the part of the graph that leads to them.
class Targets {
 public:
  Targets(TensorList outputs, TensorList inputs) {
    for (const Tensor& input : inputs) {
      const void* place = place_of(input);
      if (place == nullptr) {
        fail("grad: wanted inputs that require a gradient; got a constant of shape ",
             input.shape());
      }
      slots_.try_emplace(place);
    }
    mark_paths(outputs);
  }

  /// For grad_within.
  Targets(const Tensor& output, const Tensors& ends, const Backward& b) : bounded_(true) {
    for (size_t i = 0; i < ends.size(); ++i) {
      const void* place = ends[i].defined() ? place_of(ends[i]) : nullptr;
      if (place == nullptr) continue;
      ends_.insert(place);
      if (!b.needs(i)) continue;
      const auto [slot, is_new] = slots_.try_emplace(place);
      if (const Tensor arrived = accumulate_into(b, i); is_new && arrived.defined()) {
        slot->second = arrived.clone();
      }
    }
    mark_paths({output});
  }

  /// Where the gradient of that node or leaf is wanted, or null.
  Tensor* slot(const void* place) {
    const auto at = slots_.find(place);
    return at == slots_.end() ? nullptr : &at->second;
  }
  /// True when the node has a target among what it was computed from.
  bool leads_to_target(const Node* node) const { return paths_.contains(node); }
  bool wants(const Edge& edge) const {
    return edge && (slots_.contains(edge.place()) || leads_to_target(edge.node.get()));
  }
  /// True when what is delivered there travels no further.
  bool ends_at(const Edge& edge) const { return !edge.node || ends_.contains(edge.node.get()); }

 private:
  void mark_paths(TensorList outputs) {
    PoolVector<const Node*> reachable;
    PoolSet<const Node*> seen;
    const auto visit = [&](const Node* node) {
      if (node != nullptr && seen.insert(node).second) reachable.push_back(node);
    };
    for (const Tensor& output : outputs) {
      if (!ends_.contains(place_of(output))) visit(output.impl()->node.get());
    }
    for (size_t i = 0; i < reachable.size(); ++i) {  // NOLINT(modernize-loop-convert): it grows
      if (slots_.size() == 1 && slots_.contains(reachable[i])) continue;  // nothing is wanted above
      // What was freed no longer says whether it leads to a target: nothing may be missed.
      reachable[i]->require_not_freed();
      for (const Edge& edge : reachable[i]->inputs) {
        if (bounded_ && edge.leaf && !ends_.contains(edge.leaf.get())) fail_beyond(*reachable[i]);
        if (!ends_at(edge)) visit(edge.node.get());
      }
    }
    // Inputs are older than what is made of them, so by age each node comes after its inputs.
    std::sort(reachable.begin(), reachable.end(),
              [](const Node* a, const Node* b) { return a->order < b->order; });
    for (const Node* node : reachable) {
      const bool leads = std::any_of(node->inputs.begin(), node->inputs.end(),
                                     [this](const Edge& edge) { return wants(edge); });
      if (leads) paths_.insert(node);
    }
  }

  PoolMap<const void*, Tensor> slots_;
  const bool bounded_ = false;  // by ends_; otherwise by leaves
  PoolSet<const void*> ends_;
  PoolSet<const Node*> paths_;
};

/// One trip from outputs back to leaves, youngest op first: when an op's turn comes, everything
/// that used its output has had its own, so its gradient is complete.
class Walk {
 public:
  Walk(bool create_graph, bool retain_graph, Targets* targets)
      : create_graph_(create_graph),
        retain_graph_(retain_graph || create_graph),
        targets_(targets),
        recording_(create_graph) {}

  ~Walk() {
    for (const auto& node : waiting_) node->pending = Tensor();  // after an exception
  }

  /// `function` is what the user called.
  void start(const char* function, const Tensor& output, const Tensor& cotangent) {
    const TensorImpl& impl = *output.impl();
    if (!impl.node && !impl.leaf) {
      fail(function, ": wanted a tensor that requires a gradient; got a constant of shape ",
           impl.shape);
    }
    Tensor gradient = cotangent;
    if (!gradient.defined()) {
      if (output.numel() != 1) {
        fail(function, ": wanted a cotangent for an output of shape ", impl.shape,
             "; only a single element has 1 by default");
      }
      gradient = ones(impl.shape, impl.dtype);
    }
    Edge edge;
    edge.node = impl.node;
    if (!impl.node) edge.leaf = impl.leaf;
    deliver(function, 0, edge, std::move(gradient), false);
  }

  void run() {
    while (!waiting_.empty()) {
      std::pop_heap(waiting_.begin(), waiting_.end(), younger_last);
      const std::shared_ptr<Node> node = std::move(waiting_.back());
      waiting_.pop_back();
      visit(node);
    }
  }

 private:
  static bool younger_last(const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) {
    return a->order < b->order;
  }

  void visit(const std::shared_ptr<Node>& node) {
    const Tensor gradient = std::move(node->pending);
    node->pending = Tensor();
    if (targets_ != nullptr) {
      if (Tensor* slot = targets_->slot(node.get())) *slot = gradient;
      if (!targets_->leads_to_target(node.get())) return;
    }
    Gradients found = run_rule(node, gradient);
    for (size_t i = 0; i < found.size(); ++i) {
      const Edge& edge = node->inputs[i];
      if (!needed_[i] || !found[i].defined()) continue;
      if (arrived_[i].finish(node->op, found[i])) continue;
      deliver(node->op, i, edge, std::move(found[i]), node->broadcasts);
    }
    if (!retain_graph_) node->free();
  }

  /// Where the gradient that travels along the edge is gathered, or null when nobody asked for it.
  Tensor* destination(const Edge& edge) const {
    if (targets_ != nullptr && targets_->ends_at(edge)) return targets_->slot(edge.place());
    return edge.node ? &edge.node->pending : &edge.leaf->grad;
  }

  /// What has arrived of the gradient that travels along the edge; where it is a view's, which has
  /// none of its own yet, of the leaf's.
  Arrived arrived_at(const Edge& edge) const {
    const Edge* at = &edge;
    while (true) {
      Tensor* const place = destination(*at);
      if (place != nullptr && place->defined()) {
        if (at == &edge) return {place, nullptr, Tensor()};
        return at->node ? Arrived{} : Arrived{place, &edge, Tensor()};
      }
      const bool ends = targets_ != nullptr && (targets_->ends_at(*at) || place == nullptr ||
                                                targets_->slot(at->place()) != nullptr);
      if (ends || !at->node || !at->node->view) return {};
      at = &at->node->inputs[0];
    }
  }

  /// See accumulate_into. An input that is there twice is offered once, so that a rule may work on
  /// its gradients side by side.
  void find_arrived(const Node& node) {
    const size_t n = node.inputs.size();
    arrived_.assign(n, Arrived{});
    if (create_graph_) return;
    for (size_t i = 0; i < n; ++i) {
      if (!needed_[i]) continue;
      const Arrived found = arrived_at(node.inputs[i]);
      const bool again = std::any_of(arrived_.begin(), arrived_.end(), [&](const Arrived& other) {
        return other.place == found.place;
      });
      if (!again) arrived_[i] = found;
    }
  }

  Gradients run_rule(const std::shared_ptr<Node>& node, const Tensor& gradient) {
    node->require_not_freed();
    const size_t n = node->inputs.size();
    needed_.resize(std::max(needed_.size(), n));
    for (size_t i = 0; i < n; ++i) {
      const Edge& edge = node->inputs[i];
      needed_[i] = targets_ != nullptr ? targets_->wants(edge) : static_cast<bool>(edge);
    }
    const RuleReads reads(*node, gradient);
    find_arrived(*node);
    const Tensor output = node->output_tensor(node);
    const RuleRun run{*node,          gradient,       output,         create_graph_,
                      !retain_graph_, needed_.data(), arrived_.data()};
    Gradients found = node->rule(Backward(run));
    if (found.size() != n) {
      fail(node->op, ": wanted ", n, " gradients from its rule; got ", found.size());
    }
    node->computed_again = Tensor();
    if (!retain_graph_) node->rule.reset();  // what it kept is free before its gradients travel on
    return found;
  }

  void deliver(const char* op, size_t input, const Edge& edge, Tensor gradient, bool broadcasts) {
    const Shape& shape = edge.node ? edge.node->shape : edge.leaf->shape;
    const Dtype dtype = edge.node ? edge.node->dtype : edge.leaf->dtype;
    if (broadcasts && gradient.shape() != shape && broadcasts_to(shape, gradient.shape())) {
      Arrived arrived = create_graph_ ? Arrived{} : arrived_at(edge);
      gradient = sum_to(gradient, shape, arrived.take());
      if (arrived.finish(op, gradient)) return;
    }
    if (gradient.shape() != shape || gradient.dtype() != dtype) {
      fail(op, ": wanted a gradient ", dtype, shape, " for input ", input, "; its rule gave ",
           gradient.dtype(), gradient.shape());
    }
    Tensor* const place = destination(edge);
    if (place == nullptr) return;
    if (place->defined()) return accumulate(*place, gradient);
    const bool is_leafs_own = edge.leaf && place == &edge.leaf->grad;
    // A leaf's gradient has elements of its own: it will be written to (clipping, the next walk).
    *place = is_leafs_own && !is_sole_owner(gradient) ? gradient.clone() : std::move(gradient);
    if (edge.node && place == &edge.node->pending) {
      waiting_.push_back(edge.node);
      std::push_heap(waiting_.begin(), waiting_.end(), younger_last);
    }
  }

  void accumulate(Tensor& into, const Tensor& gradient) const {
    if (!create_graph_ && is_sole_owner(into)) {
      add_elements(into, gradient);
    } else {
      into = add(into, gradient);
    }
  }

  const bool create_graph_;
  const bool retain_graph_;
  Targets* targets_;  // null: every leaf
  const Recording recording_;
  PoolVector<std::shared_ptr<Node>> waiting_;  // a heap, the youngest on top
  // See Backward. (vector<bool> has no plain elements.)
  PoolVector<char> needed_;
  PoolVector<Arrived> arrived_;
};

void check_cotangent(const char* function, const Tensor& output, const Tensor& cotangent) {
  if (!cotangent.defined())
    fail(function, ": wanted cotangents that are defined; got an undefined tensor");
  if (cotangent.shape() == output.shape() && cotangent.dtype() == output.dtype()) return;
  fail(function, ": wanted a cotangent ", output.dtype(), output.shape(), "; got ",
       cotangent.dtype(), cotangent.shape());
}

}  // namespace

void Tensor::backward(BackwardOptions options) const { backward(Tensor(), options); }

void Tensor::backward(const Tensor& cotangent, BackwardOptions options) const {
  if (!defined()) fail("backward: wanted a tensor; got an undefined one");
  if (cotangent.defined()) check_cotangent("backward", *this, cotangent);
  Walk walk(false, options.retain_graph, nullptr);
  walk.start("backward", *this, cotangent);
  walk.run();
}

Gradients grad_within(const Tensor& output, const Tensors& ends, const Backward& b) {
  Targets targets(output, ends, b);
  {
    Walk walk(b.create_graph, false, &targets);
    walk.start("recompute", output, b.grad);
    walk.run();
  }
  Gradients out(ends.size());
  for (size_t i = 0; i < ends.size(); ++i) {
    if (!ends[i].defined()) continue;
    Tensor* const slot = targets.slot(place_of(ends[i]));
    if (slot == nullptr || !slot->defined()) continue;
    out[i] = accumulate_into(b, i);
    if (out[i].defined()) {
      copy_elements(out[i], *slot);
    } else {
      out[i] = std::move(*slot);
    }
    *slot = Tensor();
  }
  return out;
}

Tensors grad(TensorList outputs, TensorList inputs, const GradOptions& options) {
  const Tensors& cotangents = options.cotangents;
  if (!cotangents.empty() && cotangents.size() != outputs.size()) {
    fail("grad: wanted one cotangent for each of ", outputs.size(), " outputs; got ",
         cotangents.size());
  }
  for (const Tensor& t : outputs) {
    if (!t.defined()) fail("grad: wanted outputs that are defined; got an undefined tensor");
  }
  for (const Tensor& t : inputs) {
    if (!t.defined()) fail("grad: wanted inputs that are defined; got an undefined tensor");
  }
  Targets targets(outputs, inputs);
  {
    Walk walk(options.create_graph, options.retain_graph, &targets);
    for (size_t i = 0; i < outputs.size(); ++i) {
      const bool constant = !outputs[i].requires_grad();
      if (constant && options.allow_unused) continue;
      if (!cotangents.empty()) check_cotangent("grad", outputs[i], cotangents[i]);
      walk.start("grad", outputs[i], cotangents.empty() ? Tensor() : cotangents[i]);
    }
    walk.run();
  }
  Tensors out;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Tensor found = *targets.slot(place_of(inputs[i]));
    if (!found.defined()) {
      if (!options.allow_unused) {
        fail("grad: no output depends on input ", i, " of shape ", inputs[i].shape(),
             "; .allow_unused = true gives zeros instead");
      }
      found = zeros(inputs[i].shape(), inputs[i].dtype());
    }
    out.push_back(std::move(found));
  }
  return out;
}

}  // namespace rapt
