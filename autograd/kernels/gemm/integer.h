#pragma once

#include "rapt/autograd/shape.h"

namespace rapt::kernels {

/// A batch of products c = a b of i64, split over rapt's threads. All are dense: a m x k, b k x n;
/// those of the i-th index of `batch` begin where the strides say, c one after another.
struct IntegerProducts {
  Shape batch;
  int64_t m, n, k;
  const int64_t* a;
  Strides a_batch;
  const int64_t* b;
  Strides b_batch;
  int64_t* c;
};
void integer_products(const IntegerProducts& p);

}  // namespace rapt::kernels
