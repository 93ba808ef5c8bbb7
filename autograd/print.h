#pragma once

#include <iosfwd>

#include "rapt/autograd/tensor.h"

/// What str() says, to a stream: std::cout << x, and what a failed EXPECT_EQ shows.
namespace rapt {

std::ostream& operator<<(std::ostream& out, const Tensor& x);
std::ostream& operator<<(std::ostream& out, const Dims& list);
std::ostream& operator<<(std::ostream& out, Dtype dtype);

}  // namespace rapt
