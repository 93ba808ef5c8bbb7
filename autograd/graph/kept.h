#pragma once

// Private to the ops: what gradient rules keep of the tensors that they will need.

#include <memory>

#include "rapt/autograd/graph/node.h"

namespace rapt {

/// Registers `again`, which recomputes y bit for bit from what the op's own rule keeps; rules that
/// capture y as Kept need not hold its elements. For ops whose value costs a pass over memory and
/// no more. Returns y.
template <class F>
Tensor offer_again(const Tensor& y, F again) {
  const std::shared_ptr<Node>& node = impl_of(y)->node;
  if (node) node->again = OwnedFunction<Tensor()>(std::move(again));
  return y;
}

/// A tensor that a rule keeps: its elements; or, where the op that made it offers to compute them
/// again, its place in the graph alone.
class Kept {
 public:
  explicit Kept(const Tensor& x);
  /// The tensor, in its place in the graph, for the rule that runs. What had to be computed again
  /// stays for other rules of the walk, until that of the op which made it has run.
  Tensor get(const Backward& b) const;

 private:
  Tensor whole_;                     // if its elements are kept; else
  std::shared_ptr<Node> maker_;      // the op that computes them again,
  std::weak_ptr<Storage> elements_;  // unless they are still there, as they were: Storage::is_kept
};

}  // namespace rapt
