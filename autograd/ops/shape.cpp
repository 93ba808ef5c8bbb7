#include <algorithm>
#include <limits>
#include <optional>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/part.h"
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

/// The indices that a slice takes along an axis, Python's way: first, first + step, ...
struct Range {
  int64_t first, count, step;
};

Range range_of(int64_t length, int64_t begin, int64_t end, int64_t step) {
  // Going down, -1 stands for the end before the first element.
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? length : length - 1;
  const auto clip = [&](int64_t i) { return std::clamp(i < 0 ? i + length : i, low, high); };
  const int64_t first = clip(begin), last = clip(end);
  const int64_t span = std::max<int64_t>(0, step > 0 ? last - first : first - last);
  const int64_t stride = step > 0 ? step : -std::max(step, -std::numeric_limits<int64_t>::max());
  return {first, span / stride + (span % stride != 0), step};
}

}  // namespace

Tensor slice(const Tensor& x, Int axis, Int begin, Int end, Int step) {
  require_defined("slice", "x", x);
  const int64_t at = resolve_axis("slice", axis, x.rank());
  if (step == 0) fail("slice: wanted a step other than 0; got 0");
  const Range range = range_of(x.shape()[at], begin, end, step);
  if (step < 0) {  // strides are never negative
    const int64_t lowest = range.count == 0 ? 0 : range.first + (range.count - 1) * range.step;
    const Tensor upward = slice(x, at, lowest, range.count == 0 ? lowest : range.first + 1,
                                range.count > 1 ? -range.step : 1);
    return flip(upward, {at});
  }
  return take_part("slice", x, [=](Shape shape, Strides strides) {
    const int64_t offset = range.count > 0 ? range.first * strides[at] : 0;
    shape[at] = range.count;
    strides[at] = range.count > 1 ? strides[at] * range.step : 1;  // a huge step is never taken
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

}  // namespace rapt
