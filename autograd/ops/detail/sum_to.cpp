#include "rapt/autograd/ops/detail/sum_to.h"

#include <algorithm>
#include <bit>

#include "rapt/autograd/graph/recording.h"
#include "rapt/autograd/kernels/fold.h"
#include "rapt/autograd/kernels/reduce.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/pointwise.h"

namespace rapt {
namespace {

/// The axes along which `shape` was broadcast to `gradient`.
Axes broadcast_axes(const Shape& gradient, const Shape& shape) {
  const int64_t extra = gradient.rank() - shape.rank();
  Axes axes;
  for (int64_t axis = 0; axis < gradient.rank(); ++axis) {
    if (axis < extra || (shape[axis - extra] == 1 && gradient[axis] != 1)) axes.push_back(axis);
  }
  return axes;
}

/// How many items of a gradient [items, rest...] make up a block of the fold. An item is as many
/// tokens as its axes but the last have places (a table of T positions: T tokens). The largest
/// power of two whose tokens fit a block divides every batch that is cut at whole blocks.
int64_t items_per_block(const Shape& rest) {
  int64_t tokens = 1;
  for (int64_t axis = 0; axis + 1 < rest.rank(); ++axis) tokens *= rest[axis];
  const auto items = static_cast<uint64_t>(
      std::max<int64_t>(1, kernels::terms_per_block / std::max<int64_t>(tokens, 1)));
  return static_cast<int64_t>(std::bit_floor(items));
}

}  // namespace

void add_elements(const Tensor& to, const Tensor& from) {
  visit_float(to.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::add_to_strided(fresh_data<T>(to), to.strides(), to.shape(),
                            operand<T>(from, to.shape()));
  });
}

void copy_elements(const Tensor& to, const Tensor& from) {
  visit_float(to.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto read = operand<T>(from, to.shape());
    kernels::copy(read.data, read.strides, to.shape(), to.strides(), fresh_data<T>(to));
  });
}

Tensor sum_to(const Tensor& gradient, const Shape& shape, const Tensor& into) {
  const Axes axes = broadcast_axes(gradient.shape(), shape);
  if (records_graph()) return reshape(sum(gradient, axes, {.keepdim = true}), shape);
  int64_t leading = 0;  // axes of the batch: those over which tokens are summed
  while (leading < axes.size() && axes[leading] == leading) ++leading;
  Tensor rest = gradient;
  if (leading < axes.size()) {
    rest = sum(gradient, Axes(axes.begin() + leading, axes.end()), {.keepdim = true});
  }
  if (leading == 0) {
    rest = reshape(rest, shape);
    if (!into.defined()) return rest;
    add_elements(into, rest);
    return into;
  }
  const Tensor dense = rest.contiguous();
  const Shape item(dense.shape().begin() + leading, dense.shape().end());
  const Tensor out = into.defined() ? into : empty(shape, gradient.dtype());
  const int64_t inner = item.numel(), items = inner == 0 ? 0 : dense.numel() / inner;
  visit_float(dense.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::fold(items, inner, items_per_block(item), dense.data<T>(), fresh_data<T>(out),
                  into.defined());
  });
  return out;
}

}  // namespace rapt
