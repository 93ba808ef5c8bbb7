#pragma once

#include <memory>
#include <utility>

#include "rapt/autograd/function_ref.h"
#include "rapt/autograd/owned_function.h"
#include "rapt/autograd/tensor.h"

/// How a function with its own gradient joins the graph. rapt's ops and a user's own functions use
/// the same door:
///
///   Tensor cube(const Tensor& x) {
///     NoGrad inside;                       // the value needs no graph of its own
///     Tensor y = x * x * x;
///     return record("cube", {x}, y, [x](const Backward& b) -> Gradients {
///       return {b.grad * 3.0 * x * x};     // differentiable ops: any order of derivative follows
///     });
///   }
///
/// (Close the NoGrad before record, or record sees it and keeps no graph.)
namespace rapt {

/// One gradient per input, in the order of the inputs. An undefined Tensor stands for zero.
using Gradients = Tensors;

/// What has been gathered of an input's gradient: see Backward::into.
struct Arrived;

/// What a gradient rule is given.
struct Backward {
  const Tensor& grad;    ///< d(loss)/d(output), of the output's shape; may be a strided view
  const Tensor& output;  ///< the op's output, if it was kept (RecordOptions); else undefined
  bool create_graph;     ///< true when the gradient will itself be differentiated
  const char* needed;    ///< see needs()
  bool last;             ///< true when the rule is dropped after this run (no retain_graph)
  Arrived* arrived;      ///< see into()

  /// False when nobody wants the gradient of that input: the rule may leave it undefined.
  bool needs(size_t input) const { return needed[input] != 0; }

  /// What has been gathered so far of that input's gradient, dense and seen by nobody else (it is
  /// copied first if need be); undefined if nothing has been, and while create_graph. A rule may
  /// add its own gradient to those elements and return this tensor: that spares a tensor, and a
  /// pass to add it up; and a sum over tokens thus goes on where the last micro-batch ended.
  Tensor into(size_t input) const;
};

struct RecordOptions {
  /// Hand the output to the rule. A rule must not capture its own output: that is a cycle.
  bool keep_output = false;
  /// Let the engine sum each gradient back to its input's shape, for ops whose inputs broadcast.
  /// Otherwise a gradient of another shape than its input is an error.
  bool broadcasts = false;
};

/// A move-only function from Backward to Gradients. What it captured is all that it keeps alive.
using Rule = OwnedFunction<Gradients(const Backward&)>;

/// True when gradients are enabled on this thread and one of the inputs requires one.
bool wants_graph(TensorList inputs);

/// The work of record(), once it is known that a graph is wanted.
Tensor join_graph(const char* op, TensorList inputs, Tensor value, Rule rule,
                  RecordOptions options);

/// `value`, the result of `op` on `inputs`, joined to the graph; `value` itself when none is
/// wanted. `op` must be a string literal. The rule's gradients have the shapes and dtypes of the
/// inputs: anything else is an error when the graph is walked.
template <class F>
Tensor record(const char* op, TensorList inputs, Tensor value, F&& rule,
              RecordOptions options = {}) {
  if (!wants_graph(inputs)) return value;
  return join_graph(op, inputs, std::move(value), Rule(std::forward<F>(rule)), options);
}

/// The gradient of `definition(inputs)`, as a graph, along b.grad or another cotangent. What a
/// fused op uses for second order.
Gradients differentiate(FunctionRef<Tensor(const Tensors&)> definition, const Tensors& inputs,
                        const Backward& b, const Tensor& cotangent = {});

/// Like record, for an op whose value and gradient come from kernels of their own. `definition` is
/// the same function in plain ops: it is differentiated when a graph of the gradient is wanted, and
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
  return join_graph(op, inputs, std::move(value), std::move(rule), options);
}

}  // namespace rapt
