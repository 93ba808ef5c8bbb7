#include "rapt/autograd/graph/join.h"

#include "rapt/autograd/error.h"
#include "rapt/autograd/gradient.h"
#include "rapt/autograd/graph/node.h"

namespace rapt {

Tensor join(const char* op, TensorList inputs, Tensor value, Rule rule, RecordOptions options) {
  if (!value.defined() || !is_float(value.dtype())) {
    fail(op, ": wanted a result of f32 or f64, to carry a gradient; got ",
         value.defined() ? name_of(value.dtype()) : "undefined");
  }
  std::shared_ptr<Node> node = make_node();
  node->op = op;
  node->shape = value.shape();
  node->dtype = value.dtype();
  node->broadcasts = options.broadcasts;
  node->rule = std::move(rule);
  node->inputs.reserve(inputs.size());
  for (const Tensor& input : inputs) {
    Edge& edge = node->inputs.emplace_back();
    if (!input.defined()) continue;
    const TensorImpl& impl = *input.impl();
    edge.node = impl.node;
    if (!impl.node) edge.leaf = impl.leaf;
    edge.storage = impl.storage.get();
  }
  // A handle of its own, unless `value` is the only one: it may be somebody else's too (a function
  // that returns its input).
  const bool sole = value.impl().use_count() == 1 && !value.requires_grad();
  Tensor out = sole ? std::move(value) : make_view(value, value.shape(), value.strides());
  if (options.keep_output) {
    node->output = std::allocate_shared<TensorImpl>(PoolAllocator<TensorImpl>(), *out.impl());
  }
  out.impl()->node = std::move(node);
  return out;
}

namespace {

/// x under a handle of its own, so that a walk towards it stops there and nowhere above.
Tensor alias(const Tensor& x) {
  return join_graph("alias", {x}, make_view(x, x.shape(), x.strides()),
                    [](const Backward& b) -> Gradients { return {b.grad}; });
}

}  // namespace

Gradients differentiate(FunctionRef<Tensor(const Tensors&)> definition, const Tensors& inputs,
                        const Backward& b, const Tensor& cotangent) {
  Tensors own;
  Tensors wanted;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool differentiable = inputs[i].defined() && b.needs(i);
    own.push_back(differentiable ? alias(inputs[i]) : inputs[i]);
    if (differentiable) wanted.push_back(own.back());
  }
  const Tensors found = grad({definition(own)}, wanted,
                             {.create_graph = true,
                              .allow_unused = true,
                              .cotangents = {cotangent.defined() ? cotangent : b.grad}});
  Gradients out(inputs.size());
  for (size_t i = 0, next = 0; i < inputs.size(); ++i) {
    if (inputs[i].defined() && b.needs(i)) out[i] = found[next++];
  }
  return out;
}

}  // namespace rapt
