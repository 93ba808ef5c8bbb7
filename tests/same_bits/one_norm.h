#pragma once

#include <cstdio>
#include <cstring>

#include "rapt/autograd/ops.h"

namespace rapt::tests {

inline void print_bits(const Tensor& x) {
  for (int64_t i = 0; i < x.numel(); ++i) {
    uint32_t bits = 0;
    std::memcpy(&bits, x.data<float>() + i, sizeof bits);
    std::printf("%08x ", bits);
  }
}

/// A layer_norm, an rms_norm, a softmax and their gradients, as one line.
inline void print_one_norm() {
  Rng rng(1);
  Tensor x = rng.normal({3, 37}, 0, 3).set_requires_grad(), gain = rng.normal({37});
  const Tensor y = softmax(layer_norm(x, gain, gain)) * rms_norm(x, gain);
  print_bits(y);
  y.backward(ones(y.shape()));
  print_bits(x.grad());
  std::printf("\n");
}

}  // namespace rapt::tests
