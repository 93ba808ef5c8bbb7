#include "rapt/autograd/ops/arrange.h"

#include <algorithm>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"

namespace rapt {

Tensor flip(const Tensor& x, const Axes& given) {
  require_defined("flip", "x", x);
  const Axes axes = resolve_axes("flip", given, x.rank());
  Tensor y = x;
  {
    const NoGrad no_grad;
    for (const int64_t axis : axes) {
      const int64_t n = x.size(axis);
      y = index_select(y, axis, (n - 1) - arange(n));
    }
    if (axes.empty()) y = x.clone();
  }
  return join_graph("flip", {x}, y,
                    [axes](const Backward& b) -> Gradients { return {flip(b.grad, axes)}; });
}

Tensor roll(const Tensor& x, Int shift, Int given) {
  require_defined("roll", "x", x);
  const int64_t axis = resolve_axis("roll", given, x.rank());
  const int64_t n = x.size(axis);
  if (n == 0) return x.clone();
  const int64_t by = int64_t{shift} % n, moved = by < 0 ? by + n : by;
  return concat({slice(x, axis, n - moved, n), slice(x, axis, 0, n - moved)}, axis);
}

Tensor repeat(const Tensor& x, const Shape& times) {
  require_defined("repeat", "x", x);
  const int64_t rank = std::max(x.rank(), times.rank());
  if (2 * rank > Dims::max_rank) {
    fail("repeat: wanted at most ", Dims::max_rank / 2, " axes; got ", rank);
  }
  // Each axis after one for its repetitions: [times, length] -> [times * length].
  Shape apart, stretched, joined;
  for (int64_t axis = 0; axis < rank; ++axis) {
    const int64_t i = axis - (rank - x.rank()), j = axis - (rank - times.rank());
    const int64_t length = i < 0 ? 1 : x.shape()[i], count = j < 0 ? 1 : times[j];
    if (count < 0) fail("repeat: wanted counts of at least 0; got ", times);
    apart.push_back(1);
    apart.push_back(length);
    stretched.push_back(count);
    stretched.push_back(length);
    joined.push_back(count * length);
  }
  const Tensor once = joined == x.shape() ? x.clone() : x;  // the result is new
  return reshape(expand(reshape(once, apart), stretched), joined);
}

Tensor pad(const Tensor& x, Int given, Int before, Int after, double value) {
  require_defined("pad", "x", x);
  const int64_t axis = resolve_axis("pad", given, x.rank());
  if (before < 0 || after < 0) {
    fail("pad: wanted at least 0 elements before and after; got ", before, " and ", after);
  }
  const auto border = [&](int64_t length) {
    Shape shape = x.shape();
    shape[axis] = length;
    return full(shape, value, x.dtype());
  };
  return concat({border(before), x, border(after)}, axis);
}

Tensors chunk(const Tensor& x, Int n, Int given) {
  require_defined("chunk", "x", x);
  const int64_t axis = resolve_axis("chunk", given, x.rank());
  if (n < 1) fail("chunk: wanted at least 1 piece; got ", n);
  const int64_t length = x.size(axis);
  const int64_t each = std::max<int64_t>(1, kernels::ceil_div(length, int64_t{n}));
  Tensors pieces;
  for (int64_t at = 0; at < std::max<int64_t>(length, 1); at += each) {
    pieces.push_back(slice(x, axis, at, std::min(at + each, length)));
  }
  return pieces;
}

Tensors unbind(const Tensor& x, Int given) {
  require_defined("unbind", "x", x);
  const int64_t axis = resolve_axis("unbind", given, x.rank());
  Tensors all;
  for (int64_t i = 0; i < x.size(axis); ++i) all.push_back(select(x, axis, i));
  return all;
}

Tensor movedim(const Tensor& x, Int from, Int to) {
  require_defined("movedim", "x", x);
  const int64_t first = resolve_axis("movedim", from, x.rank());
  const int64_t last = resolve_axis("movedim", to, x.rank());
  Axes order;
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    if (axis != first) order.push_back(axis);
  }
  order.insert(last, first);
  return permute(x, order);
}

}  // namespace rapt
