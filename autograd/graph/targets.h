#pragma once

// Private to rapt's own sources: which gradients a walk is asked for.

#include "rapt/autograd/graph/node.h"
#include "rapt/autograd/graph/pool_map.h"
#include "rapt/autograd/record.h"

namespace rapt {

/// The gradients asked for, and the part of the graph that leads to them.
class Targets {
 public:
  /// Those of `inputs`, for grad().
  Targets(TensorList outputs, TensorList inputs);
  /// Those of `ends` that are wanted, for recompute. Nothing behind an end is looked at; a leaf
  /// that is none of them is an error.
  Targets(TensorList outputs, const Tensors& ends, const PoolVector<char>& wanted);

  /// Where the gradient of that place is wanted, or null.
  Tensor* slot(const void* place) {
    const auto at = slots_.find(place);
    return at == slots_.end() ? nullptr : &at->second;
  }
  /// The gradients found, each moved to the first of `ends` that asked for it.
  Tensors take(const Tensors& ends);
  /// True when the node has a target among what it was computed from.
  bool leads_to_target(const Node* node) const { return paths_.contains(node); }
  bool wants(const Edge& edge) const {
    return edge && (slots_.contains(edge.place()) || leads_to_target(edge.node.get()));
  }
  /// True when what is delivered there travels no further.
  bool ends_at(const Edge& edge) const { return !edge.node || ends_.contains(edge.place()); }

 private:
  /// True when the gradient of one of its outputs is wanted.
  bool is_target(const Node& node) const;
  /// The nodes behind the outputs, up to the ends.
  PoolVector<const Node*> reachable_from(TensorList outputs) const;
  void mark_paths(TensorList outputs);

  PoolMap<const void*, Tensor> slots_;
  const bool bounded_ = false;  // by ends_; otherwise by leaves
  PoolSet<const void*> ends_;
  PoolSet<const Node*> paths_;
};

}  // namespace rapt
