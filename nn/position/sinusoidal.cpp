#include "rapt/nn/position/sinusoidal.h"

#include "rapt/autograd/kernels/portable.h"
#include "rapt/autograd/ops.h"

namespace rapt::nn {

namespace portable = kernels::portable;

Tensor sinusoidal_positions(int64_t length, int64_t width, Dtype dtype) {
  if (length < 0 || width < 1) {
    fail("sinusoidal_positions: wanted length >= 0 and width >= 1; got ", length, " and ", width);
  }
  std::vector<double> values;
  for (int64_t t = 0; t < length; ++t) {
    for (int64_t i = 0; i < width; ++i) {
      const double frequency =
          portable::pow(10000.0, -static_cast<double>(i - i % 2) / static_cast<double>(width));
      const double angle = static_cast<double>(t) * frequency;  // radians
      values.push_back(i % 2 == 0 ? portable::sin(angle) : portable::cos(angle));
    }
  }
  return from_values(values, {length, width}).to(dtype);
}

}  // namespace rapt::nn
