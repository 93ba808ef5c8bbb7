#pragma once

#include <cstdint>

#include "rapt/autograd/shape.h"

namespace rapt::kernels {

/// While one lives, OpenBLAS runs the calls of this thread, and those of rapt's threads, without
/// threads of its own: rapt splits the work. Whatever the user had set is back afterwards.
class SingleThreadedBlas {
 public:
  SingleThreadedBlas();
  ~SingleThreadedBlas();
  SingleThreadedBlas(const SingleThreadedBlas&) = delete;
  SingleThreadedBlas& operator=(const SingleThreadedBlas&) = delete;

 private:
  int before_ = 0;
};

/// The same for the life of one of rapt's own threads.
void keep_blas_to_this_thread();

/// A matrix in memory: element (i, j) at data[i * row_stride + j * column_stride].
template <class T>
struct Matrix {
  T* data;
  int64_t row_stride;
  int64_t column_stride;
};

/// True when BLAS can read a rows x columns matrix with those strides as it lies.
bool is_dense(int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride);

/// c = alpha a b + beta c, in this thread.   a m x k, b k x n (each is_dense), c m x n with
/// column_stride 1. Callers hold a SingleThreadedBlas.
template <class T>
void gemm(int64_t m, int64_t n, int64_t k, T alpha, Matrix<const T> a, Matrix<const T> b, T beta,
          Matrix<T> c);

/// As gemm for a batch of products, split over rapt's threads into pieces that depend on the sizes
/// alone. The i-th product's offsets are those of the i-th index of `batch`, in row-major order.
template <class T>
struct BatchedGemm {
  Shape batch;
  int64_t m, n, k;
  Matrix<const T> a, b;
  Strides a_batch, b_batch;  // one per axis of batch
  const T* bias;             // [n], added to every row of each product; or null
  Matrix<T> c;
  int64_t c_batch;  // from one product to the next
};
template <class T>
void gemm(const BatchedGemm<T>& p);

}  // namespace rapt::kernels
