#pragma once

#include <string>
#include <vector>

#include "rapt/autograd/named_tensors.h"

namespace rapt::nn {

/// Which parameters a backward() did not serve. Converts to true when it served all of them.
struct GradientFlow {
  std::vector<std::string> missing;     ///< no gradient has arrived
  std::vector<std::string> zero;        ///< every element is 0
  std::vector<std::string> non_finite;  ///< an element is inf or NaN
  std::vector<std::string> unlisted;    ///< trained by the loss, but none of the parameters
  std::string text;                     ///< the lists in words; empty when they are

  explicit operator bool() const { return text.empty(); }
};

/// Looks at the gradients that are there now. As a test, in one line:
///   EXPECT_EQ(nn::check_gradient_flow(model.parameters()).text, "");
GradientFlow check_gradient_flow(const NamedTensors& parameters);

/// Looks at the gradients that loss.backward() would bring, and changes nothing. Also lists what
/// asks for a gradient behind the loss and is none of the parameters: the weights of a layer that
/// was not given to child(), or a tensor that was put in the place of a layer's own, which
/// parameters() and the optimizer still have (write into it with copy_from instead). loss: one
/// element, with a graph.
///   EXPECT_EQ(nn::check_gradient_flow(model.parameters(), loss).text, "");
GradientFlow check_gradient_flow(const NamedTensors& parameters, const Tensor& loss);

}  // namespace rapt::nn
