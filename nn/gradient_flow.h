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
  std::string text;                     ///< the three lists in words; empty when they are

  explicit operator bool() const { return text.empty(); }
};

/// Looks at the gradients that are there now. As a test, in one line:
///   EXPECT_EQ(nn::check_gradient_flow(model.parameters()).text, "");
GradientFlow check_gradient_flow(const NamedTensors& parameters);

}  // namespace rapt::nn
