#include <algorithm>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/reuse.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"

namespace rapt {
namespace {

/// A dense tensor seen from one of its axes.
struct AxisLayout {
  int64_t outer = 1, length = 0, inner = 1;

  AxisLayout(const Shape& shape, int64_t axis) : length(shape[axis]) {
    for (int64_t i = 0; i < axis; ++i) outer *= shape[i];
    for (int64_t i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  }
};

/// The indices as a dense tensor, each checked.
Tensor checked_index(const char* op, const Tensor& index, int64_t length) {
  require_dtype(op, "index", index, Dtype::i64);
  Tensor dense = index.contiguous();
  const int64_t* values = dense.data<int64_t>();
  for (int64_t i = 0, n = dense.numel(); i < n; ++i) {
    if (values[i] < 0 || values[i] >= length) {
      fail(op, ": wanted indices in [0, ", length, "); got ", values[i], " at position ", i, " of ",
           index.shape());
    }
  }
  return dense;
}

void require_vector(const char* op, const Tensor& index) {
  require_defined(op, "index", index);
  if (index.rank() != 1) fail(op, ": wanted an index of one axis; got ", index.shape());
}

/// Adds the slices of `source` to those of `to`, which is dense, that the index names.
void add_slices(const Tensor& to, int64_t axis, const Tensor& index, const Tensor& source) {
  const Tensor from = source.detach().contiguous();
  const AxisLayout around(to.shape(), axis);
  const int64_t count = index.numel();
  const int64_t* at = index.data<int64_t>();
  visit_number(source.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* in = from.data<T>();
    T* out = fresh_data<T>(to);
    for (int64_t o = 0; o < around.outer; ++o) {
      for (int64_t i = 0; i < count; ++i) {
        T* slice = out + (o * around.length + at[i]) * around.inner;
        const T* row = in + (o * count + i) * around.inner;
        for (int64_t j = 0; j < around.inner; ++j) slice[j] += row[j];
      }
    }
  });
}

/// Slices of `source` added up by index into zeros of that shape: the adjoint of index_select.
Tensor index_sum(const Shape& shape, int64_t axis, const Tensor& index, const Tensor& source) {
  const Tensor y = zeros(shape, source.dtype());
  add_slices(y, axis, index, source);
  return join_graph("index_sum", {source}, y, [axis, index](const Backward& b) -> Gradients {
    return {index_select(b.grad, axis, index)};
  });
}

void require_gather_shapes(const char* op, const Shape& x, int64_t axis, const Shape& index) {
  bool fits = x.rank() == index.rank();
  for (int64_t i = 0; fits && i < x.rank(); ++i) fits = i == axis || index[i] <= x[i];
  if (!fits) {
    fail(op, ": wanted an index with the rank of x ", x, " and, off axis ", axis,
         ", lengths no larger than its; got ", index);
  }
}

/// Calls f(offset in x, offset in index) for each element of a dense index.
template <class F>
void for_each_gathered(const Shape& x, int64_t axis, const Tensor& index, F f) {
  const Shape& shape = index.shape();
  const Strides strides = row_major(x);
  const int64_t* at = index.data<int64_t>();
  Dims position = filled<Dims>(shape.rank(), 0);
  for (int64_t i = 0, n = index.numel(); i < n; ++i) {
    int64_t offset = 0;
    for (int64_t d = 0; d < shape.rank(); ++d) {
      offset += (d == axis ? at[i] : position[d]) * strides[d];
    }
    f(offset, i);
    for (int64_t d = shape.rank() - 1; d >= 0 && ++position[d] == shape[d]; --d) position[d] = 0;
  }
}

/// The adjoint of gather: source added up by index into zeros of that shape.
Tensor scatter_sum(const Shape& shape, int64_t axis, const Tensor& index, const Tensor& source) {
  const Tensor from = source.contiguous();
  const Tensor y = zeros(shape, source.dtype());
  visit_number(source.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* in = from.data<T>();
    T* out = fresh_data<T>(y);
    for_each_gathered(shape, axis, index, [&](int64_t to, int64_t i) { out[to] += in[i]; });
  });
  return join_graph("scatter_sum", {source}, y, [axis, index](const Backward& b) -> Gradients {
    return {gather(b.grad, axis, index)};
  });
}

/// The slices of x at indices that have been checked.
Tensor take_slices(const Tensor& x, int64_t axis, const Tensor& chosen) {
  const AxisLayout around(x.shape(), axis);
  const int64_t count = chosen.numel();
  const Tensor from = x.contiguous();
  Shape shape = x.shape();
  shape[axis] = count;
  const Tensor y = empty(shape, x.dtype());
  visit_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* in = from.data<T>();
    T* out = fresh_data<T>(y);
    const int64_t* rows = chosen.data<int64_t>();
    for (int64_t o = 0; o < around.outer; ++o) {
      for (int64_t i = 0; i < count; ++i) {
        out = std::copy_n(in + (o * around.length + rows[i]) * around.inner, around.inner, out);
      }
    }
  });
  return join_graph("index_select", {x}, y,
                    [shape = x.shape(), axis, chosen](const Backward& b) -> Gradients {
                      const Tensor whole = accumulate_into(b, 0);
                      if (!whole.defined()) return {index_sum(shape, axis, chosen, b.grad)};
                      add_slices(whole, axis, chosen, b.grad);  // no pass over the whole table
                      return {whole};
                    });
}

}  // namespace

Tensor index_select(const Tensor& x, Int axis, const Tensor& index) {
  require_defined("index_select", "x", x);
  require_vector("index_select", index);
  const int64_t at = resolve_axis("index_select", axis, x.rank());
  return take_slices(x, at, checked_index("index_select", index, x.shape()[at]));
}

Tensor index_add(const Tensor& x, Int axis, const Tensor& index, const Tensor& source) {
  require_same_dtype("index_add", x, source);
  require_vector("index_add", index);
  const int64_t at = resolve_axis("index_add", axis, x.rank());
  Shape expected = x.shape();
  expected[at] = index.numel();
  if (source.shape() != expected) {
    fail("index_add: wanted source ", expected, " for x ", x.shape(), " and index ", index.shape(),
         "; got ", source.shape());
  }
  return x + index_sum(x.shape(), at, checked_index("index_add", index, x.shape()[at]), source);
}

Tensor gather(const Tensor& x, Int axis, const Tensor& index) {
  require_defined("gather", "x", x);
  require_defined("gather", "index", index);
  const int64_t at = resolve_axis("gather", axis, x.rank());
  require_gather_shapes("gather", x.shape(), at, index.shape());
  const Tensor chosen = checked_index("gather", index, x.shape()[at]);
  const Tensor from = x.contiguous();
  const Tensor y = empty(index.shape(), x.dtype());
  visit_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* in = from.data<T>();
    T* out = fresh_data<T>(y);
    for_each_gathered(x.shape(), at, chosen, [&](int64_t to, int64_t i) { out[i] = in[to]; });
  });
  return join_graph("gather", {x}, y,
                    [shape = x.shape(), at, chosen](const Backward& b) -> Gradients {
                      return {scatter_sum(shape, at, chosen, b.grad)};
                    });
}

Tensor scatter_add(const Tensor& x, Int axis, const Tensor& index, const Tensor& source) {
  require_same_dtype("scatter_add", x, source);
  require_defined("scatter_add", "index", index);
  const int64_t at = resolve_axis("scatter_add", axis, x.rank());
  require_gather_shapes("scatter_add", x.shape(), at, index.shape());
  if (source.shape() != index.shape()) {
    fail("scatter_add: wanted source of index's shape ", index.shape(), "; got ", source.shape());
  }
  const Tensor chosen = checked_index("scatter_add", index, x.shape()[at]);
  return x + scatter_sum(x.shape(), at, chosen, source);
}

Tensor embedding(const Tensor& weight, const Tensor& ids) {
  require_float("embedding", "weight", weight);
  require_dtype("embedding", "ids", ids, Dtype::i64);
  if (weight.rank() == 0) fail("embedding: wanted weight [V, ...]; got a scalar");
  const Tensor chosen = checked_index("embedding", ids, weight.size(0));
  const Tensor rows = take_slices(weight, 0, reshape(chosen, {ids.numel()}));
  Shape shape = ids.shape();
  for (int64_t axis = 1; axis < weight.rank(); ++axis) shape.push_back(weight.shape()[axis]);
  return reshape(rows, shape);
}

Tensor one_hot(const Tensor& ids, Int classes, Dtype dtype) {
  if (classes < 0) fail("one_hot: wanted classes >= 0; got ", classes);
  const Tensor chosen = checked_index("one_hot", ids, classes);
  Shape shape = ids.shape();
  shape.push_back(classes);
  const Tensor y = zeros(shape, dtype);
  const int64_t* at = chosen.data<int64_t>();
  visit_any(dtype, [&](auto zero) {
    using T = decltype(zero);
    T* out = fresh_data<T>(y);
    for (int64_t i = 0, n = chosen.numel(); i < n; ++i) out[i * classes + at[i]] = T(1);
  });
  return y;
}

}  // namespace rapt
