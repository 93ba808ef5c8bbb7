#pragma once

#include <string>
#include <vector>

#include "../support/tensor_function.h"

namespace rapt::tests {

/// A function of ops.h on one set of inputs.
struct GradientCase {
  std::string function;  ///< as declared: "add(Tensor, double)", without const, & and names
  std::string what;      ///< what is special about these inputs
  TensorFunction f;
  Tensors inputs;  ///< the f64 ones are differentiated
};

/// The functions of ops.h that have a gradient, in its order. All inputs keep away from kinks.
std::vector<GradientCase> elementwise_cases();
std::vector<GradientCase> reduction_cases();
std::vector<GradientCase> shape_cases();
std::vector<GradientCase> indexing_cases();
std::vector<GradientCase> product_cases();
std::vector<GradientCase> normalization_cases();
std::vector<GradientCase> attention_cases();
std::vector<GradientCase> loss_cases();
std::vector<GradientCase> operator_cases();

/// The functions of ops.h that have none: the result never requires a gradient.
std::vector<GradientCase> cases_without_gradient();

/// All of the above but the last.
std::vector<GradientCase> gradient_cases();

}  // namespace rapt::tests
