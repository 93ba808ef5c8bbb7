#pragma once

#include <cstdint>

namespace rapt::kernels {

/// A matrix in memory: element (i, j) at data[i * row_stride + j * column_stride].
template <class T>
struct Matrix {
  T* data;
  int64_t row_stride;
  int64_t column_stride;

  Matrix<T> at(int64_t row, int64_t column) const {
    return {data + row * row_stride + column * column_stride, row_stride, column_stride};
  }
  Matrix<T> transposed() const { return {data, column_stride, row_stride}; }
};

/// c = alpha a b + start.   a m x k, b k x n, c m x n with column_stride 1.
template <class T>
struct Product {
  int64_t m, n, k;
  Matrix<const T> a, b;
  Matrix<T> c;
  T alpha = 1;
  bool add = false;         // start from what c holds; else from 0: c is not read
  const T* bias = nullptr;  // [n], added to every row; not together with `add`
};

}  // namespace rapt::kernels
