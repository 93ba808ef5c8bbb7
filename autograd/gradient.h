#pragma once

#include "rapt/autograd/tensor.h"

namespace rapt {

struct GradOptions {
  bool create_graph = false;  ///< make the gradients differentiable; implies retain_graph
  bool retain_graph = false;  ///< keep the graph for another walk
  bool allow_unused = false;  ///< zeros for an input that no output depends on, instead of an error
  Tensors cotangents = {};  ///< d(loss)/d(output), one per output; may be empty for scalar outputs
};

/// The gradient of the sum of `outputs` with respect to each of `inputs` (any tensors of the graph,
/// leaves or not), in their order and shapes. Nothing is added to any grad().
/// Throws when an output has no graph, or an input has no part in it (see allow_unused).
Tensors grad(TensorList outputs, TensorList inputs, const GradOptions& options = {});

}  // namespace rapt
