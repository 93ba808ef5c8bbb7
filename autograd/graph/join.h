#pragma once

// Private to the ops: record() for values that a kernel has computed, outside any graph.

#include <utility>

#include "rapt/autograd/record.h"

namespace rapt {

/// True when gradients are enabled on this thread and one of the inputs requires one.
bool wants_graph(TensorList inputs);

/// The work of join_graph, once it is known that a graph is wanted.
Tensor join(const char* op, TensorList inputs, Tensor value, Rule rule, RecordOptions options);
Tensors join(const char* op, TensorList inputs, Tensors values, Rule rule, RecordOptions options);

/// `value`, the result of `op` on `inputs`, joined to the graph; `value` itself when none is
/// wanted: then nothing is allocated for the rule.
template <class F>
Tensor join_graph(const char* op, TensorList inputs, Tensor value, F&& rule,
                  RecordOptions options = {}) {
  if (!wants_graph(inputs)) return value;
  return join(op, inputs, std::move(value), Rule(std::forward<F>(rule)), options);
}

/// The same for several outputs: one node, whose rule asks Backward::grad_of.
template <class F>
Tensors join_graph(const char* op, TensorList inputs, Tensors values, F&& rule,
                   RecordOptions options = {}) {
  if (!wants_graph(inputs)) return values;
  return join(op, inputs, std::move(values), Rule(std::forward<F>(rule)), options);
}

/// The gradient of `definition(inputs)`, as a graph, along b.grad or another cotangent. What a
/// fused op uses for second order.
Gradients differentiate(FunctionRef<Tensor(const Tensors&)> definition, const Tensors& inputs,
                        const Backward& b, const Tensor& cotangent = {});

/// The same for a definition of several outputs, along what has arrived of each.
Gradients differentiate_each(FunctionRef<Tensors(const Tensors&)> definition, const Tensors& inputs,
                             const Backward& b);

/// Like join_graph, for an op whose gradient comes from a kernel of its own. `definition` is the
/// same function in plain ops: it is differentiated when a graph of the gradient is wanted, and
/// tests compare the kernels with it.
template <class Definition, class Kernel>
Tensor fused(const char* op, TensorList inputs, Definition definition, Tensor value,
             Kernel backward, RecordOptions options = {}) {
  if (!wants_graph(inputs)) return value;
  Rule rule([definition = std::move(definition), backward = std::move(backward),
             kept = Tensors(inputs.begin(), inputs.end())](const Backward& b) -> Gradients {
    if (b.create_graph) return differentiate(definition, kept, b);
    return backward(b);
  });
  return join(op, inputs, std::move(value), std::move(rule), options);
}

}  // namespace rapt
