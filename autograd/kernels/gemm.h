#pragma once

#include "rapt/autograd/kernels/matrix.h"
#include "rapt/autograd/shape.h"

/// Matrix products. Those of f32 run on rapt's own tiles where the machine has vectors of eight
/// numbers or more: an element's sum is then added up in one order, whatever else the product
/// computes, and no other library's threads or settings have a say. f64, and machines without such
/// vectors, go to OpenBLAS.
namespace rapt::kernels {

/// True when gemm can read a rows x columns matrix of T with those strides as it lies.
template <class T>
bool is_readable(int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride);

/// The product, in this thread. a and b are_readable.
template <class T>
void gemm(const Product<T>& p);

/// A batch of products, split over rapt's threads into pieces that depend on the sizes alone. The
/// i-th product's offsets are those of the i-th index of `batch`, in row-major order.
template <class T>
struct BatchedGemm {
  Product<T> first;
  Shape batch;
  Strides a_batch, b_batch;  // one per axis of batch
  int64_t c_batch;           // from one product to the next
};
template <class T>
void batched_gemm(const BatchedGemm<T>& p);

}  // namespace rapt::kernels
