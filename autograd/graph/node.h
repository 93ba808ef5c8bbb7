#pragma once

// Private to rapt's own sources: the graph behind a tensor.

#include <memory>

#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/record.h"

namespace rapt {

/// Where the gradient of a leaf is gathered.
struct Leaf {
  Shape shape;
  Dtype dtype;
  Tensor grad;
};

/// From an op to what made one of its inputs: a node, a leaf, or neither (a constant). It never
/// holds the input's elements.
struct Edge {
  std::shared_ptr<Node> node;
  std::shared_ptr<Leaf> leaf;
  const Storage* storage = nullptr;  // only to name the input in an error: it may be gone

  explicit operator bool() const { return node || leaf; }
  /// See place_of.
  const void* place() const { return node ? static_cast<const void*>(node.get()) : leaf.get(); }
};

struct Arrived;

/// One recorded op.
class Node {
 public:
  const char* op = "";
  uint64_t order = 0;  // of creation: an op is younger than its inputs
  Shape shape;         // of the output
  Dtype dtype = Dtype::f32;
  bool broadcasts = false;
  bool freed = false;  // by a walk that did not retain it
  PoolVector<Edge> inputs;
  Rule rule;
  std::shared_ptr<TensorImpl> output;  // without its node (no cycle); only if the rule asked for it
  OwnedFunction<Tensor()> again;       // computes the output again, dense: see kept.h
  OwnedFunction<Tensor(const Tensor&)> view;  // see note_view
  Tensor computed_again;                      // by `again`, until the rule has run
  Tensor pending;                             // the gradient gathered so far by the walk under way
  Node* next_doomed = nullptr;                // see release in node.cpp

  /// The output as a tensor of this graph.
  Tensor output_tensor(const std::shared_ptr<Node>& self) const;
  /// Throws when an earlier walk has freed it.
  void require_not_freed() const;
  /// Throws: those elements, which its rule needs, were overwritten since.
  [[noreturn]] void fail_overwritten(const TensorImpl& x) const;
  /// Drops what the rule kept.
  void free();
};

/// A node whose release, however long the chain behind it, does not recurse.
std::shared_ptr<Node> make_node();

/// While one lives, this thread runs the rule of `node`, and what it reads (Tensor::data, which all
/// ops go through) must be what it was when the op was recorded: inputs, side arguments such as
/// masks and indices, and whatever else the rule captured. Not watched are `gradient`, which is of
/// this walk, and what is written while the rule runs.
class RuleReads {
 public:
  explicit RuleReads(const Node& node, const Tensor& gradient = {});
  ~RuleReads() { current_ = before_; }
  RuleReads(const RuleReads&) = delete;
  RuleReads& operator=(const RuleReads&) = delete;

  /// Throws when the rule that this thread runs must not read x.
  static void check(const TensorImpl& x) {
    if (current_ != nullptr) current_->check_one(x);
  }

 private:
  void check_one(const TensorImpl& x) const;

  // NOLINTNEXTLINE(readability-identifier-naming): a static member is a variable to clang-tidy
  static thread_local constinit const RuleReads* current_;
  const Node& node_;
  const Storage* const gradient_;
  const uint64_t start_;
  const RuleReads* const before_;
};

/// Where a tensor's gradient goes: its node, or its leaf; null for a constant.
const void* place_of(const Tensor& x);

/// While one lives, ops on this thread keep no graph, but what they would have joined to one is
/// noted. grad_enabled() is true, so they compute what they would compute with a graph.
class Watch {
 public:
  Watch();
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// Notes x if it requires a gradient.
  void note(const Tensor& x);

  Tensors noted;  ///< one for each place, in the order of their first use

 private:
  Watch* before_;
};

/// True when ops on this thread would record a graph: neither under NoGrad nor under Watch.
bool records_graph();

/// Turns recording on or off on this thread while it lives; NoGrad is the public half. What is
/// recorded under one is not watched.
class Recording {
 public:
  explicit Recording(bool on);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

 private:
  bool before_;
  Watch* watch_before_;
};

/// One run of a node's rule, as Backward shows it.
struct RuleRun {
  const Node& node;
  const Tensor& gradient;
  const Tensor& output;  // undefined unless it was kept
  bool create_graph;
  bool last;           // the rule is dropped afterwards (no retain_graph)
  const char* needed;  // for each input, not 0 if somebody wants its gradient
  Arrived* arrived;    // for each input
};

/// The gradients of `output` with respect to those of `ends` that b needs, given b.grad with
/// respect to output. Nothing behind an end is looked at. A place that occurs twice has its
/// gradient at the first; where output does not depend on it, it is undefined. What has arrived of
/// an end's gradient is gone on from (accumulate_into). Throws when output depends on a leaf that
/// is not among the ends. Frees the graph unless b.create_graph.
Gradients grad_within(const Tensor& output, const Tensors& ends, const Backward& b);

/// Notes that y is a view of a leaf, or of a view of one: `view` shows the same part of any tensor
/// of the input's shape. The gradient of y can then be added where the leaf's has arrived, which
/// makes a sum over tokens one left fold whether the parameter was reshaped on its way or not.
/// Returns y.
template <class F>
Tensor note_view(const Tensor& y, F view) {
  const std::shared_ptr<Node>& node = y.impl()->node;
  if (!node) return y;
  const Edge& from = node->inputs[0];
  if (from.leaf || (from.node && from.node->view)) {
    node->view = OwnedFunction<Tensor(const Tensor&)>(std::move(view));
  }
  return y;
}

/// What has been gathered of an input's gradient. Whether somebody else holds it must not decide
/// the order of a sum: it is copied then.
struct Arrived {
  Tensor* place = nullptr;        // where, if something has arrived
  const Edge* through = nullptr;  // if not null, the input is a view of the leaf whose place it is
  Tensor given;                   // to the rule

  /// See accumulate_into.
  Tensor take();
  /// True when the rule returned what it was given: the gradient then is in its place. Throws when
  /// it returned another tensor beside it, which would count twice.
  bool finish(const char* op, const Tensor& returned);

 private:
  /// The part of *place that the input shows.
  Tensor part() const;
};

}  // namespace rapt
