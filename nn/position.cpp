#include "rapt/nn/position.h"

#include <cmath>

#include "rapt/autograd/ops.h"
#include "rapt/nn/init.h"

namespace rapt::nn {
namespace {

/// base^(-2i / width) for each pair of elements i: radians per place.   f64 [ceil(width / 2)]
Tensor frequencies(int64_t width, double base) {
  std::vector<double> values;
  for (int64_t i = 0; i < width; i += 2) {
    values.push_back(std::pow(base, -static_cast<double>(i) / static_cast<double>(width)));
  }
  return from_values(values);
}

/// place * frequency.   f64 [length, frequencies]
Tensor angles(int64_t offset, int64_t length, const Tensor& frequencies) {
  const Tensor places = arange(length, Dtype::f64) + static_cast<double>(offset);
  return unsqueeze(places, 1) * frequencies;
}

/// a0 b0 a1 b1 ... along the last axis, from a0 a1 ... and b0 b1 ...
Tensor interleave(const Tensor& a, const Tensor& b) {
  Shape shape = a.shape();
  shape.back() *= 2;
  return reshape(stack({a, b}, -1), shape);
}

}  // namespace

LearnedPositions::LearnedPositions(int64_t context, int64_t width, Rng& rng) {
  if (context < 1 || width < 1) {
    fail("LearnedPositions: wanted context >= 1 and width >= 1; got ", context, " and ", width);
  }
  weight = parameter("weight", gpt2_normal({context, width}, rng));
}

Tensor LearnedPositions::operator()(int64_t length) const {
  if (length < 0 || length > weight.dim(0)) {
    fail("LearnedPositions: wanted a length of at most the context, ", weight.dim(0), "; got ",
         length);
  }
  return slice(weight, 0, 0, length);
}

Tensor sinusoidal_positions(int64_t length, int64_t width, Dtype dtype) {
  if (length < 0 || width < 1) {
    fail("sinusoidal_positions: wanted length >= 0 and width >= 1; got ", length, " and ", width);
  }
  NoGrad no_grad;
  const Tensor angle = angles(0, length, frequencies(width, 10000));
  // An odd width ends on a sine.
  return slice(interleave(sin(angle), cos(angle)), 1, 0, width).contiguous().to(dtype);
}

Tensor rotary(const Tensor& x, const RotaryOptions& options) {
  if (x.rank() < 2 || x.dim(-1) % 2 != 0) {
    fail("rotary: wanted x [..., T, d] with an even d; got ", x.shape());
  }
  const Tensor angle = angles(options.offset, x.dim(-2), frequencies(x.dim(-1), options.base));
  const Tensor c = cos(angle).to(x.dtype()), s = sin(angle).to(x.dtype());  // [T, d / 2]
  const Tensor a = slice(x, -1, 0, x.dim(-1), 2);                           // [..., T, d / 2]
  const Tensor b = slice(x, -1, 1, x.dim(-1), 2);
  return interleave(a * c - b * s, a * s + b * c);
}

}  // namespace rapt::nn
