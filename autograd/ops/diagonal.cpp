#include "rapt/autograd/ops/diagonal.h"

#include <algorithm>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/part.h"

namespace rapt {

namespace {

/// Where the indices along two axes agree; it is the last axis.
Part diagonal_of(Shape shape, Strides strides, int64_t first, int64_t second) {
  const int64_t length = std::min(shape[first], shape[second]);
  const int64_t step = strides[first] + strides[second];
  for (const int64_t axis : {std::max(first, second), std::min(first, second)}) {
    shape.erase(axis);
    strides.erase(axis);
  }
  shape.push_back(length);
  strides.push_back(step);
  return Part{shape, strides, 0};
}

}  // namespace

Tensor diagonal(const Tensor& x, Int a, Int b) {
  require_defined("diagonal", "x", x);
  const int64_t first = resolve_axis("diagonal", a, x.rank());
  const int64_t second = resolve_axis("diagonal", b, x.rank());
  if (first == second) fail("diagonal: wanted two different axes; got ", a, " and ", b);
  return take_part("diagonal", x, [=](const Shape& shape, const Strides& strides) {
    return diagonal_of(shape, strides, first, second);
  });
}

Tensor diag_embed(const Tensor& x, Int a, Int b) {
  require_defined("diag_embed", "x", x);
  if (x.rank() == 0) fail("diag_embed: wanted x [..., n]; got a scalar");
  const int64_t first = resolve_axis("diag_embed", a, x.rank() + 1);
  const int64_t second = resolve_axis("diag_embed", b, x.rank() + 1);
  if (first == second) fail("diag_embed: wanted two different axes; got ", a, " and ", b);
  Shape shape = x.shape();
  shape.pop_back();
  for (const int64_t axis : {std::min(first, second), std::max(first, second)}) {
    shape.insert(axis, x.size(-1));
  }
  return put_back("diag_embed", x, shape, [=](const Shape& whole, const Strides& strides) {
    return diagonal_of(whole, strides, first, second);
  });
}

Tensor trace(const Tensor& x) {
  require_defined("trace", "x", x);
  if (x.rank() < 2) fail("trace: wanted x [..., n, m]; got ", x.shape());
  require_numbers("trace", "x", x);
  return sum(diagonal(x), {-1});
}

namespace {

Tensor triangle(const char* op, const Tensor& x, int64_t diagonal, bool lower) {
  require_defined(op, "x", x);
  if (x.rank() < 2) fail(op, ": wanted x with at least two axes; got ", x.shape());
  const Tensor y = x.detach().clone();
  const int64_t rows = x.size(-2), columns = x.size(-1);
  const int64_t offset = std::clamp(diagonal, -rows, columns);  // beyond, nothing changes
  visit_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* row = fresh_data<T>(y);
    for (int64_t r = 0; r < (columns == 0 ? 0 : y.numel() / columns); ++r, row += columns) {
      // Columns up to r + diagonal belong to the lower triangle, the others from there to the
      // upper.
      const int64_t edge = r % rows + offset;
      if (lower) {
        std::fill(row + std::clamp<int64_t>(edge + 1, 0, columns), row + columns, T(0));
      } else {
        std::fill(row, row + std::clamp<int64_t>(edge, 0, columns), T(0));
      }
    }
  });
  return join_graph(op, {x}, y, [op, diagonal, lower](const Backward& b) -> Gradients {
    return {triangle(op, b.grad, diagonal, lower)};
  });
}

}  // namespace

Tensor tril(const Tensor& x, Int diagonal) { return triangle("tril", x, diagonal, true); }
Tensor triu(const Tensor& x, Int diagonal) { return triangle("triu", x, diagonal, false); }

}  // namespace rapt
