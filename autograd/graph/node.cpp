#include "rapt/autograd/graph/node.h"

#include <atomic>

#include "rapt/autograd/error.h"

namespace rapt {
namespace {

std::atomic<uint64_t> clock{1};

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

uint64_t this_moment() { return clock.load(std::memory_order_relaxed); }
uint64_t next_moment() { return clock.fetch_add(1, std::memory_order_relaxed); }

std::shared_ptr<Node> make_node() {
  Node* node = new (kernels::allocate(sizeof(Node))) Node;
  node->order = next_moment();
  return std::shared_ptr<Node>(node, release, PoolAllocator<Node>());
}

const void* place_of(const Tensor& x) {
  const TensorImpl& impl = *impl_of(x);
  return impl.node ? static_cast<const void*>(&impl.node->output(impl.output)) : impl.leaf.get();
}

Tensor Node::output_tensor(const std::shared_ptr<Node>& self, size_t i) const {
  const std::shared_ptr<TensorImpl>& kept = output(i).kept;
  if (!kept) return Tensor();
  auto impl = std::allocate_shared<TensorImpl>(PoolAllocator<TensorImpl>(), *kept);
  if (is_float(impl->dtype)) impl->node = self;  // others are constants
  return handle_on(std::move(impl));
}

void Node::require_not_freed() const {
  if (!freed) return;
  fail("backward: the graph behind ", op,
       " was freed by an earlier walk; give that one .retain_graph = true");
}

void Node::fail_overwritten(const TensorImpl& x) const {
  std::string what = text(x.dtype, x.shape, ", a side argument or a tensor that its rule captured");
  for (size_t i = 0; i < output_count(); ++i) {
    const std::shared_ptr<TensorImpl>& kept = output(i).kept;
    if (kept && kept->storage == x.storage) what = "its output";
  }
  for (size_t i = inputs.size(); i-- > 0;) {
    if (inputs[i].storage == x.storage.get()) what = text("input ", i);
  }
  fail(op, ": backward needs ", what,
       ", which was overwritten since (mutable_data, copy_from, an optimizer's step)");
}

void Node::free() {
  freed = true;
  rule.reset();
  again.reset();
  view.reset();
  inputs.clear();
  for (size_t i = 0; i < output_count(); ++i) {
    output(i).kept.reset();
    output(i).hooks.reset();
  }
}

}  // namespace rapt
