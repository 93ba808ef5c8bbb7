#pragma once

// What holds of every file of tensors that a reader has taken.

#include <cstdlib>

#include "rapt/autograd/named_tensors.h"

namespace rapt::fuzz {

/// The same names, dtypes, shapes and elements (numbers that are NaN aside).
inline void require_same(const NamedTensors& a, const NamedTensors& b) {
  if (a.size() != b.size()) std::abort();
  for (const auto& [name, tensor] : a) {
    const Tensor& other = b[name];
    if (other.dtype() != tensor.dtype() || other.shape() != tensor.shape()) std::abort();
    if (tensor.dtype() == Dtype::i64 && tensor.values<int64_t>() != other.values<int64_t>()) {
      std::abort();
    }
  }
}

}  // namespace rapt::fuzz
