#pragma once

// Private to rapt's own sources: the hooks of a tensor, and when those of leaves run.

#include <memory>

#include "rapt/autograd/graph/node.h"
#include "rapt/autograd/graph/pool_map.h"
#include "rapt/autograd/hooks.h"

namespace rapt {

/// The hooks of one tensor. Each function is shared: it may remove itself while it runs.
struct Hooks {
  template <class F>
  struct One {
    uint64_t id;
    std::shared_ptr<F> f;
  };

  explicit Hooks(bool of_leaf);
  ~Hooks();
  Hooks(const Hooks&) = delete;
  Hooks& operator=(const Hooks&) = delete;

  PoolVector<One<GradientHook>> gradient;
  PoolVector<One<LeafHook>> leaf;    // after accumulation
  std::weak_ptr<TensorImpl> tensor;  // that they belong to, if it is a leaf

 private:
  const bool of_leaf_;
};

/// What the gradient hooks make of a gradient; itself if there are none.
Tensor through_hooks(const std::shared_ptr<Hooks>& hooks, const Tensor& gradient);

/// The leaves with hooks that a backward() will reach, and how many edges to each it has still to
/// go along: with the last of them, the leaf's gradient is complete.
class HookedLeaves {
 public:
  /// Those behind an output. Looks at nothing while no leaf in the process has a hook.
  void find(const Edge& output);
  /// Where the gradient of that leaf is gathered: apart, if it has a gradient hook.
  Tensor* destination(Leaf& leaf);
  /// The walk has gone along that edge; `arrived`: with a gradient. Runs the hooks of a leaf that
  /// is complete.
  void pass(const Edge& edge, bool arrived);
  /// Runs those that are left: no gradient came along some edge.
  void finish();

 private:
  struct One {
    std::shared_ptr<Leaf> leaf;
    bool apart;             // its gradient is gathered in `pending`, for gradient hooks
    int64_t edges = 0;      // still to go along
    bool arrived = false;   // a gradient, along one of them
    bool complete = false;  // its hooks have run
    Tensor pending{};
  };
  One* one_of(const Leaf* leaf);
  void count(const Edge& edge);
  static void complete(One& one);

  PoolVector<One> leaves_;  // in the order in which they were found
  PoolMap<const Leaf*, size_t> places_;
  PoolVector<const Node*> open_;
  PoolSet<const Node*> seen_;
};

}  // namespace rapt
