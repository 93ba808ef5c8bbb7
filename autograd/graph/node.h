#pragma once

// Private to rapt's own sources: the graph behind a tensor.

#include <memory>

#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/record.h"

namespace rapt {

struct Hooks;

/// Where the gradient of a leaf is gathered.
struct Leaf {
  Shape shape;
  Dtype dtype;
  Tensor grad;
  std::shared_ptr<Hooks> hooks;
};

/// From an op to what made one of its inputs: an output of a node, a leaf, or neither (a constant).
/// It never holds the input's elements.
struct Edge {
  std::shared_ptr<Node> node;
  size_t output = 0;  // of the node
  std::shared_ptr<Leaf> leaf;
  const Storage* storage = nullptr;  // only to name the input in an error: it may be gone

  explicit operator bool() const { return node || leaf; }
  /// See place_of.
  const void* place() const;
};

/// One output of a recorded op.
struct Output {
  Shape shape;
  Dtype dtype = Dtype::f32;
  Tensor pending;  // the gradient gathered so far by the walk under way
  std::shared_ptr<Hooks> hooks;
  std::shared_ptr<TensorImpl> kept;  // without its node (no cycle); only if the rule asked for it
};

/// One recorded op.
class Node {
 public:
  const char* op = "";
  uint64_t order = 0;  // of creation: an op is younger than its inputs
  bool broadcasts = false;
  bool freed = false;          // by a walk that did not retain it: its rule does not run again
  const void* walk = nullptr;  // the one under way in which it waits for its turn
  PoolVector<Edge> inputs;
  Rule rule;
  Output first;                   // most ops have no other output
  PoolVector<Output> others;      // never grows once the op is recorded: their addresses are places
  OwnedFunction<Tensor()> again;  // computes the first output again, dense: see kept.h
  OwnedFunction<Tensor(const Tensor&)> view;  // see note_view
  Node* next_doomed = nullptr;                // see release in node.cpp

  size_t output_count() const { return 1 + others.size(); }
  Output& output(size_t i) { return i == 0 ? first : others[i - 1]; }
  const Output& output(size_t i) const { return i == 0 ? first : others[i - 1]; }
  /// The i-th output as a tensor of this graph; undefined unless it was kept.
  Tensor output_tensor(const std::shared_ptr<Node>& self, size_t i) const;
  /// Throws when an earlier walk has freed it.
  void require_not_freed() const;
  /// Throws: those elements, which its rule needs, were overwritten since.
  [[noreturn]] void fail_overwritten(const TensorImpl& x) const;
  /// Drops what the rule kept.
  void free();
};

/// A node whose release, however long the chain behind it, does not recurse.
std::shared_ptr<Node> make_node();

inline const void* Edge::place() const {
  return node ? static_cast<const void*>(&node->output(output)) : leaf.get();
}

/// Where a tensor's gradient goes: its Output, or its leaf; null for a constant.
const void* place_of(const Tensor& x);

/// Notes that y is a view of a leaf, or of a view of one: `view` shows the same part of any tensor
/// of the input's shape. The gradient of y can then be added where the leaf's has arrived, which
/// makes a sum over tokens one left fold whether the parameter was reshaped on its way or not.
/// Returns y.
template <class F>
Tensor note_view(const Tensor& y, F view) {
  const std::shared_ptr<Node>& node = impl_of(y)->node;
  if (!node) return y;
  const Edge& from = node->inputs[0];
  if (from.leaf || (from.node && from.node->view)) {
    node->view = OwnedFunction<Tensor(const Tensor&)>(std::move(view));
  }
  return y;
}

}  // namespace rapt
