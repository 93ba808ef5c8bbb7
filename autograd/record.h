#pragma once

#include "rapt/autograd/function_ref.h"
#include "rapt/autograd/owned_function.h"
#include "rapt/autograd/tensor.h"

/// How a function with a gradient of its own joins the graph:
///
///   Tensor cube(const Tensor& x) {
///     return record(
///         "cube", {x}, [&] { return x * x * x; },
///         [x](const Backward& b) -> Gradients {
///           return {b.grad * 3.0 * x * x};  // differentiable ops: any order of derivative follows
///         });
///   }
namespace rapt {

/// One gradient per input, in the order of the inputs. An undefined Tensor stands for zero.
using Gradients = Tensors;

struct RuleRun;

/// What a gradient rule is given.
class Backward {
 public:
  explicit Backward(const RuleRun& run);

  /// d(loss)/d(output), of the output's shape; may be a strided view. That of the first output, if
  /// there are several: see grad_of.
  const Tensor& grad;
  const bool create_graph;  ///< true when the gradient will itself be differentiated

  /// d(loss)/d(output i), for an op of several outputs; undefined where nothing has arrived, which
  /// stands for zero.
  const Tensor& grad_of(size_t i) const;
  /// The op's output, or one of several. Throws unless it was kept: RecordOptions.
  const Tensor& output(size_t i = 0) const;
  /// False when nobody wants the gradient of that input: the rule may leave it undefined.
  bool needs(size_t input) const;
  /// For rapt's own sources (graph/reuse.h).
  const RuleRun& run() const { return run_; }

 private:
  const RuleRun& run_;
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

/// value(), computed without a graph of its own, and joined to the graph of `inputs` if gradients
/// are enabled and one of them requires one. `op`, a string literal, names it in errors. The rule's
/// gradients have the shapes and dtypes of the inputs: anything else is an error when the graph is
/// walked.
Tensor record(const char* op, TensorList inputs, FunctionRef<Tensor()> value, Rule rule,
              RecordOptions options = {});

/// As above, for a function of several outputs. They are one op: its rule runs once, when all that
/// used any of them has had its turn, and finds what has arrived by Backward::grad_of. An output of
/// i64 or b8 is a constant.
Tensors record(const char* op, TensorList inputs, FunctionRef<Tensors()> values, Rule rule,
               RecordOptions options = {});

}  // namespace rapt
