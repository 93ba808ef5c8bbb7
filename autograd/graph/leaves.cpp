#include "rapt/autograd/graph/leaves.h"

#include <algorithm>

#include "rapt/autograd/graph/pool_map.h"

namespace rapt {

PoolVector<LeafUse> leaves_behind(const Tensor& y) {
  const TensorImpl& impl = *impl_of(y);
  PoolVector<LeafUse> leaves;
  if (impl.leaf) leaves.push_back({impl.leaf, "nothing"});
  PoolVector<const Node*> nodes;
  PoolSet<const void*> seen;
  const auto meet = [&](const Node* node) {
    if (node && seen.insert(node).second) nodes.push_back(node);
  };
  meet(impl.node.get());
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const Edge& edge : nodes[i]->inputs) {
      meet(edge.node.get());
      if (edge.leaf && seen.insert(edge.leaf.get()).second) {
        leaves.push_back({edge.leaf, nodes[i]->op});
      }
    }
  }
  return leaves;
}

}  // namespace rapt
