#pragma once

#include "rapt/autograd/kernels/gemm/matrix.h"

/// The only door to OpenBLAS.
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

/// True when BLAS can read a rows x columns matrix with those strides as it lies.
bool is_dense(int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride);

/// The product by OpenBLAS, in this thread. a and b are_dense. Callers hold a SingleThreadedBlas.
template <class T>
void blas_gemm(const Product<T>& p);

}  // namespace rapt::kernels
