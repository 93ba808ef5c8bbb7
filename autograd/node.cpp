#include "rapt/autograd/node.h"

#include <atomic>

#include "rapt/autograd/ops.h"

namespace rapt {
namespace {

std::atomic<uint64_t> next_order{1};

// Nodes whose last owner is gone, waiting to be taken apart.
thread_local Node* doomed = nullptr;
thread_local bool dismantling = false;

// Taking a node apart drops what its rule kept, and with it other nodes: those only join the
// waiting ones, so the depth of the stack does not grow with the length of the chain.
void release(Node* node) noexcept {
  node->next_doomed = doomed;
  doomed = node;
  if (dismantling) return;
  dismantling = true;
  while (doomed != nullptr) {
    Node* next = doomed;
    doomed = next->next_doomed;
    next->~Node();
    kernels::release(next, sizeof(Node));
  }
  dismantling = false;
}

}  // namespace

std::shared_ptr<Node> make_node() {
  Node* node = new (kernels::allocate(sizeof(Node))) Node;
  node->order = next_order.fetch_add(1, std::memory_order_relaxed);
  return std::shared_ptr<Node>(node, release, PoolAllocator<Node>());
}

const void* place_of(const Tensor& x) {
  const TensorImpl& impl = *x.impl();
  return impl.node ? static_cast<const void*>(impl.node.get()) : impl.leaf.get();
}

Tensor Node::output_tensor(const std::shared_ptr<Node>& self) const {
  if (!output) return Tensor();
  if (output->storage->version.load(std::memory_order_relaxed) != output_version) {
    fail(op, ": backward needs its output, which was overwritten since (mutable_data, copy_from)");
  }
  auto impl = std::allocate_shared<TensorImpl>(PoolAllocator<TensorImpl>(), *output);
  impl->node = self;
  return Tensor(std::move(impl));
}

void Node::require_not_freed() const {
  if (!freed) return;
  fail("backward: the graph behind ", op,
       " was freed by an earlier walk; give that one .retain_graph = true");
}

void Node::require_inputs_unchanged() const {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::shared_ptr<Storage> storage = inputs[i].storage.lock();
    if (storage && storage->version.load(std::memory_order_relaxed) != inputs[i].version) {
      fail(op, ": backward needs input ", i,
           ", which was overwritten since (mutable_data, copy_from, an optimizer's step)");
    }
  }
}

void Node::free() {
  freed = true;
  rule.reset();
  again.reset();
  computed_again = Tensor();
  inputs.clear();
  output.reset();
}

Tensor sum_to(const Tensor& gradient, const Shape& shape) {
  if (gradient.shape() == shape) return gradient;
  const int64_t extra = gradient.rank() - shape.rank();
  Axes axes;
  for (int64_t axis = 0; axis < gradient.rank(); ++axis) {
    if (axis < extra || (shape[axis - extra] == 1 && gradient.shape()[axis] != 1)) {
      axes.push_back(axis);
    }
  }
  return reshape(sum(gradient, axes, true), shape);
}

}  // namespace rapt
