#pragma once

#include <cstdint>
#include <vector>

#include "rapt/autograd/function_ref.h"
#include "rapt/autograd/tensor.h"

/// Derivatives of a function f of tensors at `inputs`, all f32 or f64, on top of grad(): f is
/// called with tensors that have their values, and returns one tensor made of them. What f captures
/// is constant. As torch.autograd.functional.
namespace rapt {

using TensorsToTensor = FunctionRef<Tensor(const Tensors&)>;

struct DerivativeOptions {
  /// Let what is returned be differentiable itself, with respect to `inputs` and whatever f
  /// captures.
  bool create_graph = false;
};

struct Vjp {
  Tensor value;
  Tensors gradients;  ///< cotangent^T J: one for each input, of its shape
};
/// The gradient along a cotangent of the value's shape, which may be undefined for a scalar.
Vjp vjp(TensorsToTensor f, const Tensors& inputs, const Tensor& cotangent = {},
        DerivativeOptions options = {});

struct Jvp {
  Tensor value;
  Tensor tangent;  ///< J tangents, of the value's shape
};
/// The derivative along tangents of the inputs' shapes: two gradients, whatever the sizes.
Jvp jvp(TensorsToTensor f, const Tensors& inputs, const Tensors& tangents,
        DerivativeOptions options = {});

struct Hvp {
  Tensor value;
  Tensors products;  ///< H vectors: one for each input, of its shape
};
/// The Hessian of a scalar f times vectors of the inputs' shapes: two gradients.
Hvp hvp(TensorsToTensor f, const Tensors& inputs, const Tensors& vectors,
        DerivativeOptions options = {});

/// d f / d input, [shape of f, shape of the input], for each input: a gradient for each element of
/// f.
Tensors jacobian(TensorsToTensor f, const Tensors& inputs, DerivativeOptions options = {});

/// d^2 f / d input i d input j of a scalar f, [shape of i, shape of j], at [i][j]: a gradient for
/// each element of the inputs.
std::vector<Tensors> hessian(TensorsToTensor f, const Tensors& inputs,
                             DerivativeOptions options = {});

/// The gradient of each sample's loss by itself, [samples, shape of the leaf] for each leaf
/// (clipped one by one, say, for private training). loss(i) is the scalar loss of sample i,
/// computed from the leaves; a leaf that it does not depend on gets zeros. Nothing is added to any
/// grad().
Tensors per_sample_gradients(FunctionRef<Tensor(int64_t)> loss, int64_t samples, TensorList leaves);

}  // namespace rapt
