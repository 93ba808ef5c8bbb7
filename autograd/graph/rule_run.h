#pragma once

// Private to rapt's own sources: what a gradient rule may read, and what it may add to.

#include "rapt/autograd/graph/node.h"
#include "rapt/autograd/graph/pool_map.h"

namespace rapt {

/// While one lives, this thread runs the rule of `node`, and what it reads (Tensor::data, which all
/// ops go through) must be what it was when the op was recorded: inputs, side arguments such as
/// masks and indices, and whatever else the rule captured. Not watched are `gradients`, which are
/// of this walk, and what is written while the rule runs.
class RuleReads {
 public:
  explicit RuleReads(const Node& node, TensorList gradients = {nullptr, 0});
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
  const TensorList gradients_;
  const uint64_t start_;
  const RuleReads* const before_;
};

/// place += gradient, or place = gradient where nothing has arrived yet: then, with `own`, as
/// elements of its own.
void gather(Tensor& place, Tensor gradient, bool own);

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

/// Outputs that were computed again for the rules of one walk: see kept.h.
using ComputedAgain = PoolMap<const Node*, Tensor>;

/// One run of a node's rule, as Backward shows it.
struct RuleRun {
  Node& node;
  TensorList gradients;  // one for each output; undefined where nothing has arrived
  TensorList outputs;    // undefined unless they were kept
  bool create_graph;
  bool last;           // the rule is dropped afterwards (no retain_graph)
  const char* needed;  // for each input, not 0 if somebody wants its gradient
  Arrived* arrived;    // for each input
  ComputedAgain& computed_again;
};

}  // namespace rapt
