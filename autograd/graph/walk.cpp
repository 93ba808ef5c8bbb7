#include "rapt/autograd/graph/walk.h"

#include <algorithm>

#include "rapt/autograd/create.h"
#include "rapt/autograd/error.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/sum_to.h"

namespace rapt {
namespace {

bool younger_last(const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) {
  return a->order < b->order;
}

}  // namespace

Walk::Walk(bool create_graph, bool retain_graph, Targets* targets)
    : create_graph_(create_graph),
      retain_graph_(retain_graph || create_graph),
      targets_(targets),
      recording_(create_graph) {}

Walk::~Walk() {
  for (const auto& node : waiting_) {  // after an exception
    node->walk = nullptr;
    for (size_t i = 0; i < node->output_count(); ++i) node->output(i).pending = Tensor();
  }
}

void Walk::start(const char* function, const Tensor& output, const Tensor& cotangent) {
  const TensorImpl& impl = *impl_of(output);
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
  edge.output = impl.output;
  if (!impl.node) edge.leaf = impl.leaf;
  if (targets_ == nullptr) hooked_.find(edge);
  deliver(function, 0, edge, std::move(gradient), false);
  hooked_.pass(edge, true);
}

void Walk::run() {
  while (!waiting_.empty()) {
    std::pop_heap(waiting_.begin(), waiting_.end(), younger_last);
    const std::shared_ptr<Node> node = std::move(waiting_.back());
    waiting_.pop_back();
    visit(node);
  }
  hooked_.finish();
}

bool Walk::arrive(Node& node) {
  node.walk = nullptr;
  gradients_.clear();
  for (size_t i = 0; i < node.output_count(); ++i) {
    gradients_.push_back(std::move(node.output(i).pending));
    node.output(i).pending = Tensor();
  }
  for (size_t i = 0; i < node.output_count(); ++i) {
    const Output& output = node.output(i);
    if (output.hooks) gradients_[i] = through_hooks(output.hooks, gradients_[i]);
    Tensor* const slot = targets_ != nullptr ? targets_->slot(&output) : nullptr;
    if (slot != nullptr) *slot = gradients_[i];
  }
  return targets_ == nullptr || targets_->leads_to_target(&node);
}

void Walk::visit(const std::shared_ptr<Node>& node) {
  if (!arrive(*node)) return;
  Gradients found = run_rule(node);
  for (size_t i = 0; i < found.size(); ++i) {
    const Edge& edge = node->inputs[i];
    const bool arrives = needed_[i] && found[i].defined();
    if (arrives && !arrived_[i].finish(node->op, found[i])) {
      deliver(node->op, i, edge, std::move(found[i]), node->broadcasts);
    }
    hooked_.pass(edge, arrives);
    if (!needed_[i]) forget(edge.node.get());  // its turn does not come
  }
  gradients_.clear();
  if (!retain_graph_) node->free();
}

Tensor* Walk::destination(const Edge& edge) {
  if (targets_ != nullptr && targets_->ends_at(edge)) return targets_->slot(edge.place());
  if (!edge.node) return hooked_.destination(*edge.leaf);
  Node& node = *edge.node;
  if (node.walk != nullptr && node.walk != this) {
    fail("backward: wanted a graph that no other walk goes through; got one whose ", node.op,
         " waits for the rest of its gradient: a hook or a rule may not walk the graph that it is "
         "called from");
  }
  return &node.output(edge.output).pending;
}

Arrived Walk::arrived_at(const Edge& edge) {
  const Edge* at = &edge;
  while (true) {
    Tensor* const place = destination(*at);
    if (place != nullptr && place->defined()) {
      if (at == &edge) return {place, nullptr, Tensor()};
      return at->node ? Arrived{} : Arrived{place, &edge, Tensor()};
    }
    const bool ends = targets_ != nullptr && (targets_->ends_at(*at) || place == nullptr ||
                                              targets_->slot(at->place()) != nullptr);
    // A hook of a view wants to see the gradient by itself.
    if (ends || !at->node || !at->node->view || at->node->first.hooks) return {};
    at = &at->node->inputs[0];
  }
}

void Walk::find_arrived(const Node& node) {
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

Gradients Walk::run_rule(const std::shared_ptr<Node>& node) {
  node->require_not_freed();
  const size_t n = node->inputs.size();
  needed_.resize(std::max(needed_.size(), n));
  for (size_t i = 0; i < n; ++i) {
    const Edge& edge = node->inputs[i];
    needed_[i] = targets_ != nullptr ? targets_->wants(edge) : static_cast<bool>(edge);
  }
  const TensorList gradients(gradients_.data(), gradients_.size());
  const RuleReads reads(*node, gradients);
  find_arrived(*node);
  outputs_.clear();
  for (size_t i = 0; i < node->output_count(); ++i) {
    outputs_.push_back(node->output_tensor(node, i));
  }
  const RuleRun run{.node = *node,
                    .gradients = gradients,
                    .outputs = {outputs_.data(), outputs_.size()},
                    .create_graph = create_graph_,
                    .last = !retain_graph_,
                    .needed = needed_.data(),
                    .arrived = arrived_.data(),
                    .computed_again = computed_again_};
  Gradients found = node->rule(Backward(run));
  outputs_.clear();
  if (found.size() != n) {
    fail(node->op, ": wanted ", n, " gradients from its rule; got ", found.size());
  }
  forget(node.get());
  if (!retain_graph_) {
    node->freed = true;  // also if the walk ends early
    node->rule.reset();  // what it kept is free before its gradients travel on
  }
  return found;
}

void Walk::deliver(const char* op, size_t input, const Edge& edge, Tensor gradient,
                   bool broadcasts) {
  const Shape& shape = edge.node ? edge.node->output(edge.output).shape : edge.leaf->shape;
  const Dtype dtype = edge.node ? edge.node->output(edge.output).dtype : edge.leaf->dtype;
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
  // A leaf's gradient has elements of its own: it will be written to (clipping, the next walk).
  gather(*place, std::move(gradient), edge.leaf && place == &edge.leaf->grad);
  if (edge.node && place == &edge.node->output(edge.output).pending && edge.node->walk == nullptr) {
    edge.node->walk = this;
    waiting_.push_back(edge.node);
    std::push_heap(waiting_.begin(), waiting_.end(), younger_last);
  }
}

}  // namespace rapt
