#pragma once

// Private to rapt's own sources.

#include "rapt/autograd/graph/node.h"

namespace rapt {

/// A leaf, and one of the ops that reads it.
struct LeafUse {
  std::shared_ptr<Leaf> leaf;
  const char* op = "";
};

/// The leaves behind y, each once. What recompute will compute is not there
/// yet: the leaves that its function alone sees are not found.
PoolVector<LeafUse> leaves_behind(const Tensor& y);

}  // namespace rapt
