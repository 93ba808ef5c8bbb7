#include <algorithm>
#include <optional>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/node.h"
#include "rapt/autograd/graph/reuse.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/pointwise.h"

namespace rapt {
namespace {

/// The strides with which `to` shows x's elements in the same order, if there are such.
std::optional<Strides> view_strides(const Tensor& x, const Shape& to) {
  if (x.numel() == 0 || x.is_contiguous()) return row_major(to);
  const Shape& from = x.shape();
  Strides strides = filled<Strides>(to.rank(), 1);
  int64_t at = to.rank() - 1;
  // From the last axis on: each run of axes of x that memory walks as one is dealt out anew.
  for (int64_t axis = from.rank() - 1; axis >= 0;) {
    const int64_t step = x.strides()[axis];
    int64_t length = from[axis--];
    while (axis >= 0 && (from[axis] == 1 || x.strides()[axis] == length * step)) {
      length *= from[axis--];
    }
    int64_t dealt = 1;
    while (at >= 0 && (dealt < length || to[at] == 1)) {
      strides[at] = dealt * step;
      dealt *= to[at--];
    }
    if (dealt != length) return std::nullopt;
  }
  return strides;
}

/// `shape` with its -1, if any, worked out.
Shape completed(const Tensor& x, Shape shape) {
  int64_t unknown = -1;
  Shape others;
  for (int64_t axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == -1 && unknown < 0) {
      unknown = axis;
    } else if (shape[axis] < 0) {
      fail("reshape: wanted lengths of at least 0 and at most one -1; got ", shape);
    } else {
      others.push_back(shape[axis]);
    }
  }
  const int64_t known = others.numel();
  if (unknown >= 0 && known > 0 && x.numel() % known == 0) shape[unknown] = x.numel() / known;
  if ((unknown >= 0 && shape[unknown] < 0) || shape.numel() != x.numel()) {
    fail("reshape: wanted a shape of ", x.numel(), " elements, as x ", x.shape(), " has; got ",
         shape);
  }
  return shape;
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& given) {
  require_defined("reshape", "x", x);
  const Shape shape = completed(x, given);
  if (shape == x.shape()) return x;
  const std::optional<Strides> strides = view_strides(x, shape);
  if (!strides) return reshape(x.contiguous(), shape);
  const Tensor y = join_graph(
      "reshape", {x}, make_view(x, shape, *strides),
      [from = x.shape()](const Backward& b) -> Gradients { return {reshape(b.grad, from)}; });
  return note_view(y, [shape](const Tensor& t) { return reshape(t, shape); });
}

Tensor permute(const Tensor& x, const Axes& given) {
  require_defined("permute", "x", x);
  const Axes order = resolve_axes("permute", given, x.rank());
  if (order.size() != x.rank()) {
    fail("permute: wanted each of the ", x.rank(), " axes of x ", x.shape(), "; got ", given);
  }
  Shape shape;
  Strides strides;
  Axes inverse = filled<Axes>(x.rank(), 0);
  for (int64_t i = 0; i < x.rank(); ++i) {
    shape.push_back(x.shape()[order[i]]);
    strides.push_back(x.strides()[order[i]]);
    inverse[order[i]] = i;
  }
  const Tensor y =
      join_graph("permute", {x}, make_view(x, shape, strides),
                 [inverse](const Backward& b) -> Gradients { return {permute(b.grad, inverse)}; });
  return note_view(y, [order](const Tensor& t) { return permute(t, order); });
}

Tensor transpose(const Tensor& x, Int a, Int b) {
  require_defined("transpose", "x", x);
  Axes order;
  for (int64_t axis = 0; axis < x.rank(); ++axis) order.push_back(axis);
  std::swap(order[resolve_axis("transpose", a, x.rank())],
            order[resolve_axis("transpose", b, x.rank())]);
  return permute(x, order);
}

Tensor expand(const Tensor& x, const Shape& given) {
  require_defined("expand", "x", x);
  Shape shape = given;
  const int64_t extra = shape.rank() - x.rank();
  for (int64_t axis = std::max<int64_t>(extra, 0); axis < shape.rank(); ++axis) {
    if (shape[axis] == -1) shape[axis] = x.shape()[axis - extra];
  }
  if (!broadcasts_to(x.shape(), shape) ||
      std::any_of(shape.begin(), shape.end(), [](int64_t n) { return n < 0; })) {
    fail("expand: wanted a shape that x ", x.shape(), " broadcasts to; got ", given);
  }
  if (shape == x.shape()) return x;
  return join_graph("expand", {x}, make_view(x, shape, strides_along(x, shape)),
                    [](const Backward& b) -> Gradients { return {b.grad}; }, {.broadcasts = true});
}

Tensor squeeze(const Tensor& x, Int axis) {
  require_defined("squeeze", "x", x);
  const int64_t at = resolve_axis("squeeze", axis, x.rank());
  if (x.shape()[at] != 1) {
    fail("squeeze: wanted an axis of length 1; got axis ", axis, " of x ", x.shape());
  }
  Shape shape = x.shape();
  Strides strides = x.strides();
  shape.erase(at);
  strides.erase(at);
  const Tensor y =
      join_graph("squeeze", {x}, make_view(x, shape, strides),
                 [at](const Backward& b) -> Gradients { return {unsqueeze(b.grad, at)}; });
  return note_view(y, [at](const Tensor& t) { return squeeze(t, at); });
}

Tensor unsqueeze(const Tensor& x, Int axis) {
  require_defined("unsqueeze", "x", x);
  const int64_t at = resolve_axis("unsqueeze", axis, x.rank() + 1);
  Shape shape = x.shape();
  Strides strides = x.strides();
  shape.insert(at, 1);
  strides.insert(at, at < x.rank() ? x.shape()[at] * x.strides()[at] : 1);
  const Tensor y =
      join_graph("unsqueeze", {x}, make_view(x, shape, strides),
                 [at](const Backward& b) -> Gradients { return {squeeze(b.grad, at)}; });
  return note_view(y, [at](const Tensor& t) { return unsqueeze(t, at); });
}

// ---- views of a part ---------------------------------------------------------------------------

namespace {

/// A part of a tensor, each element at most once, as a view shows it.
struct Part {
  Shape shape;
  Strides strides;
  int64_t offset = 0;
};

/// The adjoint of taking a part: zeros of that shape, with the part written where it was.
template <class Choose>
Tensor put_back(const Tensor& part, const Shape& shape, Choose choose);

/// Adds `part` to the part of `whole`, which is dense, that choose() says.
template <class Choose>
void add_to_part(const Tensor& whole, const Tensor& part, Choose choose) {
  const Part place = choose(whole.shape(), whole.strides());
  visit_any(part.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::add_to_strided(fresh_data<T>(whole) + place.offset, place.strides, place.shape,
                            operand<T>(part, place.shape));
  });
}

/// A view of part of x. choose(shape, strides) says which part of a tensor laid out like that; it
/// is called again on the dense layout of the gradient.
template <class Choose>
Tensor take_part(const char* op, const Tensor& x, Choose choose) {
  const Part part = choose(x.shape(), x.strides());
  const Tensor y =
      join_graph(op, {x}, make_view(x, part.shape, part.strides, part.offset),
                 [shape = x.shape(), choose](const Backward& b) -> Gradients {
                   const Tensor whole = accumulate_into(b, 0);
                   if (!whole.defined()) return {put_back(b.grad, shape, choose)};
                   add_to_part(whole, b.grad, choose);  // the other parts are not touched
                   return {whole};
                 });
  return note_view(y, [choose](const Tensor& t) {
    const Part shown = choose(t.shape(), t.strides());
    return make_view(t, shown.shape, shown.strides, shown.offset);
  });
}

/// Zeros with `part` where choose() says.
template <class Choose>
Tensor put_back(const Tensor& part, const Shape& shape, Choose choose) {
  const Tensor whole = zeros(shape, part.dtype());
  add_to_part(whole, part, choose);
  return join_graph("put_back", {part}, whole, [choose](const Backward& b) -> Gradients {
    return {take_part("part", b.grad, choose)};
  });
}

}  // namespace

Tensor slice(const Tensor& x, Int axis, Int begin, Int end, Int step) {
  require_defined("slice", "x", x);
  const int64_t at = resolve_axis("slice", axis, x.rank());
  if (step < 1) fail("slice: wanted a step of at least 1; got ", step);
  const int64_t length = x.shape()[at];
  const auto clip = [length](int64_t i) {
    return std::clamp<int64_t>(i < 0 ? i + length : i, 0, length);
  };
  const int64_t first = clip(begin);
  const int64_t span = std::max<int64_t>(0, clip(end) - first);
  const int64_t count = span / step + (span % step != 0);
  return take_part("slice", x, [=](Shape shape, Strides strides) {
    const int64_t offset = count > 0 ? first * strides[at] : 0;
    shape[at] = count;
    strides[at] = count > 1 ? strides[at] * step : 1;  // a huge step is never taken
    return Part{shape, strides, offset};
  });
}

Tensor select(const Tensor& x, Int axis, Int index) {
  require_defined("select", "x", x);
  const int64_t at = resolve_axis("select", axis, x.rank());
  const int64_t length = x.shape()[at];
  const int64_t i = index < 0 ? index + length : int64_t{index};
  if (i < 0 || i >= length) {
    fail("select: wanted an index in [", -length, ", ", length, ") along axis ", axis, " of x ",
         x.shape(), "; got ", index);
  }
  return take_part("select", x, [=](Shape shape, Strides strides) {
    const int64_t offset = i * strides[at];
    shape.erase(at);
    strides.erase(at);
    return Part{shape, strides, offset};
  });
}

Tensor diagonal(const Tensor& x, Int a, Int b) {
  require_defined("diagonal", "x", x);
  const int64_t first = resolve_axis("diagonal", a, x.rank());
  const int64_t second = resolve_axis("diagonal", b, x.rank());
  if (first == second) fail("diagonal: wanted two different axes; got ", a, " and ", b);
  return take_part("diagonal", x, [=](Shape shape, Strides strides) {
    const int64_t length = std::min(shape[first], shape[second]);
    const int64_t step = strides[first] + strides[second];
    for (const int64_t axis : {std::max(first, second), std::min(first, second)}) {
      shape.erase(axis);
      strides.erase(axis);
    }
    shape.push_back(length);
    strides.push_back(step);
    return Part{shape, strides, 0};
  });
}

Tensors split(const Tensor& x, const std::vector<int64_t>& sizes, Int axis) {
  require_defined("split", "x", x);
  const int64_t at = resolve_axis("split", axis, x.rank());
  int64_t total = 0;
  bool negative = false;
  for (const int64_t size : sizes) {
    negative |= size < 0;
    if (!negative) total = add_lengths("split", total, size);
  }
  if (negative || total != x.shape()[at]) {
    fail("split: wanted sizes that add up to ", x.shape()[at], ", axis ", axis, " of x ", x.shape(),
         "; got ", sizes);
  }
  Tensors out;
  int64_t begin = 0;
  for (const int64_t size : sizes) {
    out.push_back(slice(x, at, begin, begin + size));
    begin += size;
  }
  return out;
}

// ---- joining -----------------------------------------------------------------------------------

Tensor concat(TensorList parts, Int axis) {
  if (parts.empty()) fail("concat: wanted at least one tensor; got none");
  require_defined("concat", "part 0", parts[0]);
  const int64_t at = resolve_axis("concat", axis, parts[0].rank());
  Shape shape = parts[0].shape();
  for (size_t i = 1; i < parts.size(); ++i) {
    require_same_dtype("concat", parts[0], parts[i]);
    Shape other = parts[i].shape();
    if (other.rank() == shape.rank()) {
      const int64_t length = other[at];
      other[at] = parts[0].shape()[at];
      if (other == parts[0].shape()) {
        shape[at] = add_lengths("concat", shape[at], length);
        continue;
      }
    }
    fail("concat: wanted parts that agree with part 0 ", parts[0].shape(), " but for axis ", axis,
         "; got part ", i, " ", parts[i].shape());
  }
  const Tensor y = empty(shape, parts[0].dtype());
  PoolVector<int64_t> lengths;
  int64_t begin = 0;
  for (const Tensor& part : parts) {
    visit_any(y.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::copy(part.data<T>(), part.strides(), part.shape(), y.strides(),
                    fresh_data<T>(y) + begin * y.strides()[at]);
    });
    lengths.push_back(part.shape()[at]);
    begin += lengths.back();
  }
  return join_graph("concat", parts, y, [at, lengths](const Backward& b) -> Gradients {
    Gradients out;
    int64_t from = 0;
    for (const int64_t length : lengths) {
      out.push_back(slice(b.grad, at, from, from + length));
      from += length;
    }
    return out;
  });
}

Tensor stack(TensorList parts, Int axis) {
  if (parts.empty()) fail("stack: wanted at least one tensor; got none");
  require_defined("stack", "part 0", parts[0]);
  const int64_t at = resolve_axis("stack", axis, parts[0].rank() + 1);
  Tensors rows;
  for (const Tensor& part : parts) {
    require_defined("stack", "each part", part);
    if (part.shape() != parts[0].shape()) {
      fail("stack: wanted parts of one shape; got ", parts[0].shape(), " and ", part.shape());
    }
    rows.push_back(unsqueeze(part, at));
  }
  return concat(rows, at);
}

// ---- triangles ---------------------------------------------------------------------------------

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
