#pragma once

// Private to attention: tensors as the batches of matrices that its kernels read and write.

#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/kernels/attention/attention.h"
#include "rapt/autograd/ops/detail/layout.h"
#include "rapt/autograd/ops/shape.h"
#include "rapt/autograd/tensor.h"

namespace rapt {

/// x as the kernels read it, its columns dense: itself, or a copy, in the graph of x. Whoever keeps
/// it for a gradient does not keep x too.
inline Tensor with_dense_columns(const Tensor& x) {
  const int64_t last = x.rank() - 1;
  const bool fits = x.strides()[last] == 1 && x.strides()[last - 1] >= x.size(-1);
  return fits ? x : x.contiguous();
}

/// Keys as the kernels of products read them: their columns dense, or, of f32, their rows, as a
/// cache has them. (f64 runs on OpenBLAS, whose bits may depend on the layout.)
inline Tensor with_dense_keys(const Tensor& k) {
  const int64_t last = k.rank() - 1, row = k.strides()[last - 1], column = k.strides()[last];
  const bool by_columns = k.dtype() == Dtype::f32 && row == 1 && column >= k.size(-2);
  return by_columns ? k : with_dense_columns(k);
}

/// The stride of an axis counted from the last; 0 where x is stretched.
inline int64_t stride_from_last(const Tensor& x, int64_t axis) {
  const int64_t own = x.rank() - axis;
  return own < 0 || x.shape()[own] == 1 ? 0 : x.strides()[own];
}

/// x's last two axes as matrices along `batch`, which its other axes broadcast to.
template <class T>
kernels::Matrices<T> matrices(T* data, const Tensor& x, const Shape& batch) {
  // A single row or column has no stride of its own; BLAS still wants a plausible one.
  const int64_t row = x.size(-2) > 1 ? stride_from_last(x, 2) : x.size(-1);
  return {{data, row, x.size(-1) > 1 ? stride_from_last(x, 1) : 1}, batch_strides(x, batch)};
}

template <class T>
kernels::Matrices<const T> read_matrices(const Tensor& x, const Shape& batch) {
  return matrices<const T>(x.data<T>(), x, batch);
}

/// The same where each matrix of x's last leading axis is shared by `group` neighbours.
template <class T>
kernels::Matrices<const T> read_matrices(const Tensor& x, const Shape& batch, int64_t group) {
  if (group == 1) return read_matrices<T>(x, batch);
  const int64_t heads = x.rank() - 3;
  Shape others = batch;
  others.erase(batch.rank() - 1);
  kernels::Matrices<const T> out = read_matrices<T>(select(x.detach(), heads, 0), others);
  out.batch.push_back(x.strides()[heads]);
  out.shared_by = group;
  return out;
}

template <class T>
kernels::Matrices<T> write_matrices(const Tensor& x, const Shape& batch) {
  return matrices<T>(fresh_data<T>(x), x, batch);
}

/// What broadcasts to [batch..., Tq, Tk], element by element.
template <class T>
kernels::Matrices<T> stretched(T* data, const Tensor& x, const Shape& batch) {
  return {{data, stride_from_last(x, 2), stride_from_last(x, 1)}, batch_strides(x, batch)};
}

}  // namespace rapt
