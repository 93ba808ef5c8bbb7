#include "rapt/autograd/derivatives.h"

#include "rapt/autograd/error.h"
#include "rapt/autograd/gradient.h"
#include "rapt/autograd/ops.h"

namespace rapt {
namespace {

/// f at tensors of its own, to which gradients can be taken.
struct Evaluation {
  Evaluation(const char* op, TensorsToTensor f, const Tensors& given, bool create_graph) {
    if (given.empty()) fail(op, ": wanted at least one input; got none");
    for (size_t i = 0; i < given.size(); ++i) {
      const Tensor& x = given[i];
      if (!x.defined() || !is_float(x.dtype())) {
        fail(op, ": wanted inputs of f32 or f64; got ",
             x.defined() ? text(x.dtype(), x.shape()) : "an undefined one", " as input ", i);
      }
      // A clone is one step further in the graph: what comes back to it goes on to the given one.
      const bool joined = create_graph && x.requires_grad();
      inputs.push_back(joined ? x.clone() : x.detach().set_requires_grad());
    }
    value = f(inputs);
    if (!value.defined())
      fail(op, ": wanted a function that returns a tensor; got an undefined one");
    if (!is_float(value.dtype())) {
      fail(op, ": wanted a function that returns f32 or f64; got ", value.dtype(), value.shape());
    }
  }

  Tensors inputs;
  Tensor value;
};

Tensors zeros_of(const Tensors& tensors) {
  Tensors out;
  for (const Tensor& x : tensors) out.push_back(zeros(x.shape(), x.dtype()));
  return out;
}

/// The gradients of outputs along cotangents, where no graph at all means no dependence.
Tensors gradients_of(const Tensors& outputs, const Tensors& inputs, const Tensors& cotangents,
                     bool create_graph) {
  Tensors joined, along;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].requires_grad()) continue;
    joined.push_back(outputs[i]);
    along.push_back(cotangents[i]);
  }
  if (joined.empty()) return zeros_of(inputs);
  return grad(joined, inputs,
              {.create_graph = create_graph,
               .retain_graph = true,
               .allow_unused = true,
               .cotangents = along});
}

void require_like(const char* op, const char* argument, const Tensors& given,
                  const Tensors& inputs) {
  if (given.size() != inputs.size()) {
    fail(op, ": wanted ", inputs.size(), " ", argument, ", one for each input; got ", given.size());
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor &x = inputs[i], &v = given[i];
    if (v.defined() && x.defined() && v.dtype() == x.dtype() && v.shape() == x.shape()) continue;
    fail(op, ": wanted ", argument, " like the inputs, ",
         x.defined() ? text(x.dtype(), x.shape()) : "undefined", "; got ",
         v.defined() ? text(v.dtype(), v.shape()) : "an undefined one", " at ", i);
  }
}

void require_scalar(const char* op, const Tensor& value) {
  if (value.rank() != 0) fail(op, ": wanted a function that returns a scalar; got ", value.shape());
}

/// A result as it is handed out.
Tensor finished(const Tensor& x, DerivativeOptions options) {
  return options.create_graph ? x : x.detach();
}

Tensors finished(Tensors all, DerivativeOptions options) {
  for (Tensor& x : all) x = finished(x, options);
  return all;
}

/// row(i), gradients of the inputs, for i from 0 to n - 1: for each input [n, shape of the input].
Tensors stacked_gradients(int64_t n, const Tensors& inputs, FunctionRef<Tensors(int64_t)> row) {
  std::vector<Tensors> rows(inputs.size());
  for (int64_t i = 0; i < n; ++i) {
    const Tensors gradients = row(i);
    for (size_t k = 0; k < inputs.size(); ++k) rows[k].push_back(gradients[k]);
  }
  Tensors out;
  for (size_t k = 0; k < inputs.size(); ++k) {
    Shape none = inputs[k].shape();
    none.insert(0, 0);
    out.push_back(n == 0 ? zeros(none, inputs[k].dtype()) : stack(rows[k]));
  }
  return out;
}

/// The gradients of each element of y: for each input [shape of y, shape of the input].
Tensors jacobian_of(const Tensor& y, const Tensors& inputs, bool create_graph) {
  Tensors out = stacked_gradients(y.numel(), inputs, [&](int64_t i) {
    const Tensor one = reshape(one_hot(tensor(i, Dtype::i64), y.numel(), y.dtype()), y.shape());
    return gradients_of({y}, inputs, {one}, create_graph);
  });
  for (size_t k = 0; k < inputs.size(); ++k) {
    Shape shape = y.shape();
    for (const int64_t length : inputs[k].shape()) shape.push_back(length);
    out[k] = reshape(out[k], shape);
  }
  return out;
}

}  // namespace

Vjp vjp(TensorsToTensor f, const Tensors& inputs, const Tensor& cotangent,
        DerivativeOptions options) {
  const Evaluation at("vjp", f, inputs, options.create_graph);
  if (!cotangent.defined()) require_scalar("vjp", at.value);
  const Tensor along = cotangent.defined() ? cotangent : ones({}, at.value.dtype());
  require_like("vjp", "cotangents", {along}, {at.value});
  return {finished(at.value, options),
          finished(gradients_of({at.value}, at.inputs, {along}, options.create_graph), options)};
}

Jvp jvp(TensorsToTensor f, const Tensors& inputs, const Tensors& tangents,
        DerivativeOptions options) {
  require_like("jvp", "tangents", tangents, inputs);
  const Evaluation at("jvp", f, inputs, options.create_graph);
  // The gradient along u is linear in u, and its own gradient with respect to u along the tangents
  // is the derivative along them.
  const Tensor u = zeros(at.value.shape(), at.value.dtype()).set_requires_grad();
  const Tensors along_u = gradients_of({at.value}, at.inputs, {u}, true);
  const Tensor tangent = gradients_of(along_u, {u}, tangents, options.create_graph)[0];
  return {finished(at.value, options), finished(tangent, options)};
}

Hvp hvp(TensorsToTensor f, const Tensors& inputs, const Tensors& vectors,
        DerivativeOptions options) {
  require_like("hvp", "vectors", vectors, inputs);
  const Evaluation at("hvp", f, inputs, options.create_graph);
  require_scalar("hvp", at.value);
  const Tensors gradients = gradients_of({at.value}, at.inputs, {ones({}, at.value.dtype())}, true);
  return {finished(at.value, options),
          finished(gradients_of(gradients, at.inputs, vectors, options.create_graph), options)};
}

Tensors jacobian(TensorsToTensor f, const Tensors& inputs, DerivativeOptions options) {
  const Evaluation at("jacobian", f, inputs, options.create_graph);
  return finished(jacobian_of(at.value, at.inputs, options.create_graph), options);
}

std::vector<Tensors> hessian(TensorsToTensor f, const Tensors& inputs, DerivativeOptions options) {
  const Evaluation at("hessian", f, inputs, options.create_graph);
  require_scalar("hessian", at.value);
  const Tensors gradients = gradients_of({at.value}, at.inputs, {ones({}, at.value.dtype())}, true);
  std::vector<Tensors> out;
  for (const Tensor& g : gradients) {
    out.push_back(finished(jacobian_of(g, at.inputs, options.create_graph), options));
  }
  return out;
}

Tensors per_sample_gradients(FunctionRef<Tensor(int64_t)> loss, int64_t samples,
                             TensorList leaves) {
  if (samples < 0) fail("per_sample_gradients: wanted at least 0 samples; got ", samples);
  const Tensors all(leaves.begin(), leaves.end());
  return stacked_gradients(samples, all, [&](int64_t i) {
    const Tensor value = loss(i);
    if (!value.defined() || value.rank() != 0) {
      fail("per_sample_gradients: wanted a loss that is a scalar; got ",
           value.defined() ? text(value.shape()) : "an undefined tensor", " for sample ", i);
    }
    return gradients_of({value}, all, {ones({}, value.dtype())}, false);
  });
}

}  // namespace rapt
