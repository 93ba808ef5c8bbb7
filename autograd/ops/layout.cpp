#include "rapt/autograd/ops/layout.h"

#include "rapt/autograd/ops.h"
#include "rapt/autograd/storage.h"

namespace rapt {

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

}  // namespace rapt
