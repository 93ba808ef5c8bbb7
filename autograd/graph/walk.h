#pragma once

// Private to rapt's own sources: how gradients are gathered.

#include "rapt/autograd/graph/hooks.h"
#include "rapt/autograd/graph/recording.h"
#include "rapt/autograd/graph/rule_run.h"
#include "rapt/autograd/graph/targets.h"

namespace rapt {

/// One trip from outputs back to leaves, youngest op first: when an op's turn comes, everything
/// that used its output has had its own, so its gradient is complete.
class Walk {
 public:
  /// To the targets, or to every leaf when there are none.
  Walk(bool create_graph, bool retain_graph, Targets* targets);
  ~Walk();
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  /// `function` is what the user called. The cotangent is 1 if undefined.
  void start(const char* function, const Tensor& output, const Tensor& cotangent);
  void run();

 private:
  void visit(const std::shared_ptr<Node>& node);
  /// Takes what has arrived of its outputs' gradients into gradients_; false if the walk ends
  /// there.
  bool arrive(Node& node);
  Gradients run_rule(const std::shared_ptr<Node>& node);
  /// Where the gradient that travels along the edge is gathered, or null when nobody asked for it.
  /// Throws when another walk, under way, has something for that node: the two would mix.
  Tensor* destination(const Edge& edge);
  /// What has arrived of the gradient that travels along the edge; where it is a view's, which has
  /// none of its own yet, of the leaf's.
  Arrived arrived_at(const Edge& edge);
  /// See accumulate_into. An input that is there twice is offered once, so that a rule may work on
  /// its gradients side by side.
  void find_arrived(const Node& node);
  /// Lets go of what was computed again of the node's output: no rule to come needs it.
  void forget(const Node* node) {
    if (!computed_again_.empty()) computed_again_.erase(node);
  }
  void deliver(const char* op, size_t input, const Edge& edge, Tensor gradient, bool broadcasts);

  const bool create_graph_;
  const bool retain_graph_;
  Targets* const targets_;
  const Recording recording_;
  HookedLeaves hooked_;
  PoolVector<std::shared_ptr<Node>> waiting_;  // a heap, the youngest on top
  PoolVector<Tensor> gradients_, outputs_;     // of the node whose rule runs
  // For each input of the node whose rule runs. (vector<bool> has no plain elements.)
  PoolVector<char> needed_;
  PoolVector<Arrived> arrived_;
  ComputedAgain computed_again_;
};

}  // namespace rapt
