#include "rapt/autograd/ops/detail/layout.h"

#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"

namespace rapt {
namespace {

/// Of the first `own` axes of x, aligned with the last of `shape`.
Strides strides_of_first(const Tensor& x, int64_t own, const Shape& shape) {
  Strides out = filled<Strides>(shape.rank(), 0);
  for (int64_t axis = 0; axis < own; ++axis) {
    if (x.shape()[axis] != 1) out[shape.rank() - own + axis] = x.strides()[axis];
  }
  return out;
}

}  // namespace

Shape leading_axes(const Tensor& x) { return Shape(x.shape().begin(), x.shape().end() - 2); }

Shape matrices_shape(const Shape& batch, int64_t rows, int64_t columns) {
  Shape shape = batch;
  shape.push_back(rows);
  shape.push_back(columns);
  return shape;
}

Strides strides_along(const Tensor& x, const Shape& shape) {
  return strides_of_first(x, x.rank(), shape);
}

Strides batch_strides(const Tensor& x, const Shape& batch) {
  return strides_of_first(x, std::max<int64_t>(x.rank() - 2, 0), batch);
}

Tensor empty_like(const Tensor& like, const Shape& shape) {
  Axes order;
  for (int64_t axis = 0; axis < shape.rank(); ++axis) order.push_back(axis);
  if (like.rank() == shape.rank()) {
    sort_axes(order.begin(), order.end() - 1,
              [&](int64_t a, int64_t b) { return like.strides()[a] > like.strides()[b]; });
  }
  Shape in_memory;
  Axes back = order;
  for (int64_t i = 0; i < order.size(); ++i) {
    in_memory.push_back(shape[order[i]]);
    back[order[i]] = i;
  }
  return permute(empty(in_memory, like.dtype()), back);
}

Axes axes_in_memory(const Tensor& x) {
  Axes order;
  for (int64_t axis = 0; axis < x.rank(); ++axis) order.push_back(axis);
  sort_axes(order.begin(), order.end(),
            [&](int64_t a, int64_t b) { return x.strides()[a] > x.strides()[b]; });
  return order;
}

Tensor empty_result(const Shape& shape, Dtype dtype,
                    std::initializer_list<const Tensor*> operands) {
  for (const Tensor* x : operands) {
    if (x->shape() != shape) continue;
    if (x->is_contiguous()) break;
    const Axes order = axes_in_memory(*x);
    Strides strides = x->strides();
    int64_t expected = 1;
    bool dense = true;
    for (int64_t i = order.size() - 1; i >= 0; --i) {
      const int64_t axis = order[i];
      dense &= shape[axis] == 1 || strides[axis] == expected;
      strides[axis] = expected;
      expected *= shape[axis];
    }
    if (dense) return make_view(empty(shape, dtype), shape, strides);
  }
  return empty(shape, dtype);
}

}  // namespace rapt
