#include "rapt/autograd/graph/leaves.h"

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
  size_t at = 0;
  while (at < nodes.size()) {  // which grows
    const Node* const node = nodes[at++];
    for (const Edge& edge : node->inputs) {
      meet(edge.node.get());
      if (edge.leaf && seen.insert(edge.leaf.get()).second) {
        leaves.push_back({edge.leaf, node->op});
      }
    }
  }
  return leaves;
}

}  // namespace rapt
