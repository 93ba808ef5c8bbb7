#include "rapt/autograd/ops/index.h"

#include <algorithm>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/reuse.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/kernels/block.h"
#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/index.h"
#include "rapt/autograd/kernels/runtime/parallel.h"
#include "rapt/autograd/kernels/slices.h"
#include "rapt/autograd/kernels/strided.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/indexing.h"
#include "rapt/autograd/ops/detail/layout.h"

namespace rapt {

Tensor checked_index(const char* op, const Tensor& index, int64_t length) {
  require_dtype(op, "index", index, Dtype::i64);
  Tensor dense = index.contiguous();
  if (!kernels::all_inside(dense.data<int64_t>(), dense.numel(), length)) {
    fail_index(op, dense, length);
  }
  return dense;
}

void fail_index(const char* op, const Tensor& index, int64_t length) {
  const int64_t at = first_bad<int64_t>(index, [&](int64_t i) { return i < 0 || i >= length; });
  fail(op, ": wanted indices in [0, ", length, "); got ", index.contiguous().data<int64_t>()[at],
       " at position ", at, " of ", index.shape());
}

void require_index_shape(const char* op, const Shape& x, int64_t axis, const Shape& index) {
  bool fits = x.rank() == index.rank();
  for (int64_t i = 0; fits && i < x.rank(); ++i) fits = i == axis || index[i] <= x[i];
  if (!fits) {
    fail(op, ": wanted an index with the rank of x ", x, " and, off axis ", axis,
         ", lengths no larger than its; got ", index);
  }
}

// ---- slices ------------------------------------------------------------------------------------

namespace {

/// Adds the slices of `source` to those of `to`, which is dense, that the index names.
void add_slices(const Tensor& to, int64_t axis, const Tensor& index, const Tensor& source) {
  const Tensor from = source.detach().contiguous();
  visit_number(source.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::add_slices(
        {kernels::AxisLayout(to.shape(), axis), index.data<int64_t>(), index.numel()},
        from.data<T>(), fresh_data<T>(to));
  });
}

/// x, or zeros if it is undefined, with the slices of `source` added to those that the index names.
Tensor with_slices_added(const Shape& shape, const Tensor& x, int64_t axis, const Tensor& index,
                         const Tensor& source) {
  const Tensor from = source.detach().contiguous();
  const Tensor base = x.defined() ? x.detach().contiguous() : x;
  const Tensor y = empty(shape, source.dtype());
  visit_number(source.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::sum_slices({kernels::AxisLayout(shape, axis), index.data<int64_t>(), index.numel()},
                        base.defined() ? base.data<T>() : nullptr, from.data<T>(),
                        fresh_data<T>(y));
  });
  return y;
}

/// The slices of x that the index names, to the dense y.
void copy_slices(const Tensor& x, int64_t axis, const Tensor& index, const Tensor& y) {
  constexpr int64_t short_row = 16, large_slice = 4096;
  const kernels::AxisLayout around(x.shape(), axis);
  const int64_t* rows = index.data<int64_t>();
  visit_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* out = fresh_data<T>(y);
    if (around.inner < short_row) {  // element by element: a row is not worth a call
      Strides repeated = filled<Strides>(x.rank(), 0);
      repeated[axis] = 1;
      const Tensor from = index.numel() < x.size(axis) / 4 ? x : x.contiguous();
      kernels::gather_along({y.shape(), axis, x.size(axis), rows, repeated, from.strides()},
                            from.data<T>(), out);
    } else if (!x.is_contiguous() && around.outer * around.inner >= large_slice) {
      Shape slice = x.shape();
      Strides from = x.strides(), to = y.strides();
      const int64_t from_step = from[axis], to_step = to[axis];
      slice.erase(axis);
      from.erase(axis);
      to.erase(axis);
      for (int64_t i = 0; i < index.numel(); ++i) {
        kernels::copy(x.data<T>() + rows[i] * from_step, from, slice, to, out + i * to_step);
      }
    } else {
      kernels::copy_slices({around, rows, index.numel()}, x.contiguous().data<T>(), out);
    }
  });
}

void require_vector(const char* op, const Tensor& index) {
  require_defined(op, "index", index);
  if (index.rank() != 1) fail(op, ": wanted an index of one axis; got ", index.shape());
}

}  // namespace

Tensor sum_of_slices(const Shape& shape, int64_t axis, const Tensor& index, const Tensor& source) {
  const Tensor y = with_slices_added(shape, {}, axis, index, source);
  return join_graph("index_sum", {source}, y, [axis, index](const Backward& b) -> Gradients {
    return {slices_at(b.grad, axis, index)};
  });
}

Tensor slices_at(const Tensor& x, int64_t axis, const Tensor& index) {
  Shape shape = x.shape();
  shape[axis] = index.numel();
  const Tensor y = empty(shape, x.dtype());
  copy_slices(x.detach(), axis, index, y);
  return join_graph("index_select", {x}, y,
                    [shape = x.shape(), axis, index](const Backward& b) -> Gradients {
                      const Tensor whole = accumulate_into(b, 0);
                      if (!whole.defined()) return {sum_of_slices(shape, axis, index, b.grad)};
                      add_slices(whole, axis, index, b.grad);  // no pass over the whole table
                      return {whole};
                    });
}

Tensor index_select(const Tensor& x, Int axis, const Tensor& index) {
  require_defined("index_select", "x", x);
  require_vector("index_select", index);
  const int64_t at = resolve_axis("index_select", axis, x.rank());
  return slices_at(x, at, checked_index("index_select", index, x.shape()[at]));
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
  const Tensor chosen = checked_index("index_add", index, x.shape()[at]);
  const Tensor y = with_slices_added(x.shape(), x, at, chosen, source);
  return join_graph("index_add", {x, source}, y, [at, chosen](const Backward& b) -> Gradients {
    return {b.grad, b.needs(1) ? slices_at(b.grad, at, chosen) : Tensor()};
  });
}

Tensor embedding(const Tensor& weight, const Tensor& ids) {
  require_float("embedding", "weight", weight);
  require_dtype("embedding", "ids", ids, Dtype::i64);
  if (weight.rank() == 0) fail("embedding: wanted weight [V, ...]; got a scalar");
  const Tensor chosen = checked_index("embedding", ids, weight.size(0));
  const Tensor rows = slices_at(weight, 0, reshape(chosen, {ids.numel()}));
  Shape shape = ids.shape();
  for (int64_t axis = 1; axis < weight.rank(); ++axis) shape.push_back(weight.shape()[axis]);
  return reshape(rows, shape);
}

// ---- elements ----------------------------------------------------------------------------------

Tensor dense_or_repeated(const Tensor& index) {
  for (int64_t axis = 0; axis < index.rank(); ++axis) {
    if (index.strides()[axis] == 0 && index.shape()[axis] > 1) return index;
  }
  return index.contiguous();
}

Tensor elements_at(const char* op, const Tensor& x, int64_t axis, const Tensor& given) {
  const Tensor index = dense_or_repeated(given);
  // A few elements of much are read where they lie.
  const Tensor from = index.numel() < x.numel() / 4 ? x.detach() : x.detach().contiguous();
  const Tensor y = empty(index.shape(), x.dtype());
  const bool inside = visit_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    return kernels::gather_along(
        {index.shape(), axis, x.size(axis), index.data<int64_t>(), index.strides(), from.strides()},
        from.data<T>(), fresh_data<T>(y));
  });
  if (!inside) fail_index(op, given, x.size(axis));
  return join_graph(op, {x}, y,
                    [op, shape = x.shape(), axis, index](const Backward& b) -> Gradients {
                      return {sum_of_elements(op, shape, axis, index, b.grad)};
                    });
}

Tensor gather(const Tensor& x, Int axis, const Tensor& index) {
  require_defined("gather", "x", x);
  require_dtype("gather", "index", index, Dtype::i64);
  const int64_t at = resolve_axis("gather", axis, x.rank());
  require_index_shape("gather", x.shape(), at, index.shape());
  return elements_at("gather", x, at, index);
}

Tensor take_along_dim(const Tensor& x, const Tensor& index, Int axis) {
  require_defined("take_along_dim", "x", x);
  require_dtype("take_along_dim", "index", index, Dtype::i64);
  const int64_t at = resolve_axis("take_along_dim", axis, x.rank());
  if (index.rank() != x.rank()) {
    fail("take_along_dim: wanted an index with the rank of x ", x.shape(), "; got ", index.shape());
  }
  Shape of_x = x.shape(), of_index = index.shape();
  of_x[at] = of_index[at] = 1;
  Shape all = broadcast("take_along_dim", of_x, of_index);
  all[at] = x.shape()[at];
  const Tensor stretched = expand(x, all);
  all[at] = index.shape()[at];
  return elements_at("take_along_dim", stretched, at, expand(index, all));
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

// ---- several axes at once ----------------------------------------------------------------------

IndexedAxes index_axes(const char* op, const Shape& x, TensorList indices) {
  const int64_t count = static_cast<int64_t>(indices.size());
  if (count < 1 || count > x.rank()) {
    fail(op, ": wanted from 1 to ", x.rank(), " indices, one for each of the first axes of x ", x,
         "; got ", count);
  }
  const NoGrad no_grad;
  Tensor joined;
  Shape flat = {1};
  for (int64_t axis = 0; axis < count; ++axis) {
    const Tensor chosen = checked_index(op, indices[static_cast<size_t>(axis)], x[axis]);
    if (joined.defined()) broadcast(op, joined.shape(), chosen.shape());  // throws in op's name
    joined = joined.defined() ? joined * x[axis] + chosen : chosen;
    flat[0] *= x[axis];
  }
  Shape shape = joined.shape();
  for (int64_t axis = count; axis < x.rank(); ++axis) {
    flat.push_back(x[axis]);
    shape.push_back(x[axis]);
  }
  return {reshape(joined, {-1}), flat, shape};
}

Tensor index_get(const Tensor& x, TensorList indices) {
  require_defined("index_get", "x", x);
  const IndexedAxes at = index_axes("index_get", x.shape(), indices);
  return reshape(slices_at(reshape(x, at.flat), 0, at.index), at.shape);
}

// ---- where -------------------------------------------------------------------------------------

namespace {

/// Where x is not 0, counted in row-major order: [n].
Tensor places_of_nonzero(const Tensor& x) {
  const Tensor dense = x.detach().contiguous();
  const int64_t count = *count_nonzero(dense).data<int64_t>();
  const Tensor places = empty({count + 1}, Dtype::i64);
  visit_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::places_of_nonzero(dense.data<T>(), dense.numel(), fresh_data<int64_t>(places));
  });
  return slice(places, 0, 0, count);
}

}  // namespace

Tensor nonzero(const Tensor& x) {
  require_defined("nonzero", "x", x);
  const Tensor places = places_of_nonzero(x);
  const int64_t rank = x.rank(), last = rank == 0 ? 1 : x.size(-1);
  const Tensor y = empty({places.numel(), rank}, Dtype::i64);
  const int64_t* in = places.data<int64_t>();
  int64_t* out = fresh_data<int64_t>(y);
  Dims position = filled<Dims>(rank, 0);
  int64_t row = 0;  // where the row of `position` begins: going on to the next spares divisions
  for (int64_t i = 0; i < places.numel() && rank > 0; ++i, out += rank) {
    for (; in[i] >= row + last; row += last) {
      for (int64_t axis = rank - 2; axis >= 0 && ++position[axis] == x.shape()[axis]; --axis) {
        position[axis] = 0;
      }
    }
    position.back() = in[i] - row;
    std::copy_n(position.begin(), rank, out);
  }
  return y;
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  require_defined("masked_select", "x", x);
  require_dtype("masked_select", "mask", mask, Dtype::b8);
  const Shape shape = broadcast("masked_select", x.shape(), mask.shape());
  return slices_at(reshape(expand(x, shape), {-1}), 0, places_of_nonzero(expand(mask, shape)));
}

}  // namespace rapt
