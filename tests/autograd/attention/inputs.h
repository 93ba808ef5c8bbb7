#pragma once

#include "../../support/inputs.h"

namespace rapt::tests {

/// Queries, keys and values, f64.
inline Tensors qkv(const Shape& batch, int64_t queries, int64_t keys, int64_t width = 8,
                   int64_t value_width = 8) {
  const auto shape = [&](int64_t rows, int64_t columns) {
    Shape s = batch;
    s.push_back(rows);
    s.push_back(columns);
    return s;
  };
  return {normal(shape(queries, width), 1), normal(shape(keys, width), 2),
          normal(shape(keys, value_width), 3)};
}

}  // namespace rapt::tests
