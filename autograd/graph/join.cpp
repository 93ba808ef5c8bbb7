#include "rapt/autograd/graph/join.h"

#include <algorithm>

#include "rapt/autograd/error.h"
#include "rapt/autograd/gradient.h"
#include "rapt/autograd/graph/node.h"

namespace rapt {

namespace {

std::shared_ptr<Node> node_of(const char* op, TensorList inputs, Rule rule, bool broadcasts) {
  std::shared_ptr<Node> node = make_node();
  node->op = op;
  node->broadcasts = broadcasts;
  node->rule = std::move(rule);
  node->inputs.reserve(inputs.size());
  for (const Tensor& input : inputs) {
    Edge& edge = node->inputs.emplace_back();
    if (!input.defined()) continue;
    const TensorImpl& impl = *impl_of(input);
    edge.node = impl.node;
    edge.output = impl.output;
    if (!impl.node) edge.leaf = impl.leaf;
    edge.storage = impl.storage.get();
  }
  return node;
}

bool carries_gradient(const Tensor& value) { return value.defined() && is_float(value.dtype()); }

void keep_output(Output& output, const Tensor& value) {
  output.kept = std::allocate_shared<TensorImpl>(PoolAllocator<TensorImpl>(), *impl_of(value));
}

/// `value` as the i-th output of the node.
Tensor as_output(const std::shared_ptr<Node>& node, size_t i, Tensor value, bool keep) {
  Output& output = node->output(i);
  output.shape = value.shape();
  output.dtype = value.dtype();
  // A handle of its own, unless `value` is the only one: it may be somebody else's too (a function
  // that returns its input).
  const bool sole = impl_of(value).use_count() == 1 && !value.requires_grad();
  Tensor out = sole ? std::move(value) : make_view(value, value.shape(), value.strides());
  impl_of(out)->output = i;
  if (keep) keep_output(output, out);
  impl_of(out)->node = node;
  return out;
}

}  // namespace

Tensor join(const char* op, TensorList inputs, Tensor value, Rule rule, RecordOptions options) {
  if (!carries_gradient(value)) {
    fail(op, ": wanted a result of f32 or f64, to carry a gradient; got ",
         value.defined() ? name_of(value.dtype()) : "undefined");
  }
  const std::shared_ptr<Node> node = node_of(op, inputs, std::move(rule), options.broadcasts);
  return as_output(node, 0, std::move(value), options.keep_output);
}

Tensors join(const char* op, TensorList inputs, Tensors values, Rule rule, RecordOptions options) {
  if (std::none_of(values.begin(), values.end(), carries_gradient)) {
    fail(op, ": wanted a result of f32 or f64, to carry a gradient; got ", values.size(),
         " results, none of them such");
  }
  const std::shared_ptr<Node> node = node_of(op, inputs, std::move(rule), options.broadcasts);
  node->others.resize(values.size() - 1);
  for (size_t i = 0; i < values.size(); ++i) {
    if (carries_gradient(values[i])) {
      values[i] = as_output(node, i, std::move(values[i]), options.keep_output);
    } else if (values[i].defined() && options.keep_output) {
      keep_output(node->output(i), values[i]);
    }
  }
  return values;
}

namespace {

/// x under a handle of its own, so that a walk towards it stops there and nowhere above.
Tensor alias(const Tensor& x) {
  return join_graph("alias", {x}, make_view(x, x.shape(), x.strides()),
                    [](const Backward& b) -> Gradients { return {b.grad}; });
}

/// The gradients of the inputs that are wanted; `of(own)` takes them of inputs under handles of
/// their own.
template <class F>
Gradients of_own_inputs(const Tensors& inputs, const Backward& b, F of) {
  Tensors own;
  Tensors wanted;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool differentiable = inputs[i].defined() && b.needs(i);
    own.push_back(differentiable ? alias(inputs[i]) : inputs[i]);
    if (differentiable) wanted.push_back(own.back());
  }
  const Tensors found = of(own, wanted);
  Gradients out(inputs.size());
  for (size_t i = 0, next = 0; i < inputs.size(); ++i) {
    if (inputs[i].defined() && b.needs(i)) out[i] = found[next++];
  }
  return out;
}

}  // namespace

Gradients differentiate(FunctionRef<Tensor(const Tensors&)> definition, const Tensors& inputs,
                        const Backward& b, const Tensor& cotangent) {
  return of_own_inputs(inputs, b, [&](const Tensors& own, const Tensors& wanted) {
    return grad({definition(own)}, wanted,
                {.create_graph = true,
                 .allow_unused = true,
                 .cotangents = {cotangent.defined() ? cotangent : b.grad}});
  });
}

Gradients differentiate_each(FunctionRef<Tensors(const Tensors&)> definition, const Tensors& inputs,
                             const Backward& b) {
  return of_own_inputs(inputs, b, [&](const Tensors& own, const Tensors& wanted) {
    const Tensors all = definition(own);
    Tensors outputs, cotangents;
    for (size_t i = 0; i < all.size(); ++i) {
      if (!b.grad_of(i).defined()) continue;
      outputs.push_back(all[i]);
      cotangents.push_back(b.grad_of(i));
    }
    return grad(outputs, wanted,
                {.create_graph = true, .allow_unused = true, .cotangents = cotangents});
  });
}

}  // namespace rapt
