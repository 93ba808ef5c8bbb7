#include "rapt/autograd/ops/scatter.h"

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/kernels/index.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/indexing.h"
#include "rapt/autograd/ops/detail/scan.h"

namespace rapt {
namespace {

bool has_lengths_of(const Shape& index, const Shape& x, int64_t axis) {
  for (int64_t i = 0; i < x.rank(); ++i) {
    if (i != axis && index[i] != x[i]) return false;
  }
  return true;
}

/// x with the elements of `source` combined with those that the index names.
Tensor scattered(const char* op, const Tensor& x, int64_t axis, const Tensor& given,
                 const Tensor& source, kernels::Combine combine) {
  const Tensor index = dense_or_repeated(given);
  const Tensor from = source.detach().contiguous();
  const bool is_base =
      x.is_contiguous() && index.numel() > 0 && has_lengths_of(index.shape(), x.shape(), axis);
  const Tensor y = is_base ? empty(x.shape(), x.dtype()) : x.detach().clone();
  const bool inside = visit_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    return kernels::scatter_along(
        {index.shape(), axis, x.size(axis), index.data<int64_t>(), index.strides(), y.strides()},
        combine, is_base ? x.data<T>() : nullptr, from.data<T>(), fresh_data<T>(y));
  });
  if (!inside) fail_index(op, given, x.size(axis));
  return y;
}

/// The part of x that an index of that shape can name: from 0 up to its lengths, off the axis.
Tensor named_part(const Tensor& x, int64_t axis, const Shape& index) {
  Tensor part = x;
  for (int64_t i = 0; i < x.rank(); ++i) {
    if (i != axis && index[i] < x.shape()[i]) part = slice(part, i, 0, index[i]);
  }
  return part;
}

/// x with its first elements along each axis replaced by `part`.
Tensor with_part(const Tensor& x, Tensor part) {
  const Shape shape = part.shape();
  for (int64_t axis = x.rank() - 1; axis >= 0; --axis) {
    if (shape[axis] == x.shape()[axis]) continue;
    Tensor rest = slice(x, axis, shape[axis], x.shape()[axis]);
    for (int64_t i = 0; i < axis; ++i) rest = slice(rest, i, 0, shape[i]);
    part = concat({part, rest}, axis);
  }
  return part;
}

struct ScatterCall {
  int64_t axis;
  Tensor index;
};

ScatterCall checked_call(const char* op, const Tensor& x, Int given, const Tensor& index,
                         const Tensor& source) {
  require_same_dtype(op, x, source);
  require_dtype(op, "index", index, Dtype::i64);
  const int64_t axis = resolve_axis(op, given, x.rank());
  require_index_shape(op, x.shape(), axis, index.shape());
  if (source.shape() != index.shape()) {
    fail(op, ": wanted source of index's shape ", index.shape(), "; got ", source.shape());
  }
  return {axis, index.contiguous()};
}

}  // namespace

Tensor sum_of_elements(const char* op, const Shape& shape, int64_t axis, const Tensor& index,
                       const Tensor& source) {
  const Tensor zero = expand(full({}, 0, source.dtype()), shape);
  const Tensor y = scattered(op, zero, axis, index, source, kernels::Combine::add);
  return join_graph(op, {source}, y, [op, axis, index](const Backward& b) -> Gradients {
    return {elements_at(op, b.grad, axis, index)};
  });
}

Tensor with_elements(const char* op, const Tensor& x, int64_t axis, const Tensor& index,
                     const Tensor& source) {
  const Tensor y = scattered(op, x, axis, index, source, kernels::Combine::replace);
  return join_graph(
      op, {x, source}, y, [op, axis, index, shape = x.shape()](const Backward& b) -> Gradients {
        const Tensor none = full({}, 0, b.grad.dtype());
        Tensor dx, dsource;
        if (b.needs(0)) dx = with_elements(op, b.grad, axis, index, expand(none, index.shape()));
        if (b.needs(1)) {
          // Who came last at each place: what came before it has no say.
          const Tensor all = reshape(arange(index.numel()), index.shape());
          const Tensor last = with_elements(op, full(shape, -1, Dtype::i64), axis, index, all);
          dsource = where(elements_at(op, last, axis, index) == all,
                          elements_at(op, b.grad, axis, index), none);
        }
        return {dx, dsource};
      });
}

Tensor scatter(const Tensor& x, Int axis, const Tensor& index, TensorOrNumber given) {
  require_defined("scatter", "x", x);
  require_operands("scatter", x, given);
  require_defined("scatter", "index", index);
  const Tensor source =
      given.tensor() ? *given.tensor() : expand(full({}, given.number(), x.dtype()), index.shape());
  const ScatterCall call = checked_call("scatter", x, axis, index, source);
  const Tensor part = named_part(x, call.axis, index.shape());
  return with_part(x, with_elements("scatter", part, call.axis, call.index, source));
}

namespace {

/// x with the elements of `source` added; the same as an op under either name.
Tensor add_elements(const char* op, const Tensor& x, const ScatterCall& call,
                    const Tensor& source) {
  const Tensor y = scattered(op, x, call.axis, call.index, source, kernels::Combine::add);
  return join_graph(op, {x, source}, y, [op, call](const Backward& b) -> Gradients {
    return {b.grad, b.needs(1) ? elements_at(op, b.grad, call.axis, call.index) : Tensor()};
  });
}

}  // namespace

Tensor scatter_add(const Tensor& x, Int axis, const Tensor& index, const Tensor& source) {
  require_numbers("scatter_add", "x", x);
  const ScatterCall call = checked_call("scatter_add", x, axis, index, source);
  return add_elements("scatter_add", x, call, source);
}

// ---- reductions of what goes to one place ------------------------------------------------------

namespace {

kernels::Combine combine_of(Reduce reduce) {
  switch (reduce) {
    case Reduce::sum:
      return kernels::Combine::add;
    case Reduce::prod:
      return kernels::Combine::multiply;
    case Reduce::max:
      return kernels::Combine::larger;
    case Reduce::min:
      return kernels::Combine::smaller;
  }
  fail("scatter_reduce: wanted a Reduce; got ", static_cast<int>(reduce));
}

/// The products and their gradients, by ops that divide by nothing: along the axis, the elements of
/// x and of source are put in the order of their places, and multiplied up anew from each of x on.
///   x [.., n, ..], index and source [.., m, ..], the others of what follows [.., n + m, ..]
///   y[i] = factors[i] where x's elements begin a place, y[i - 1] factors[i] behind them
struct ProductsByPlace {
  ProductsByPlace(const Tensor& x, const Tensor& source, int64_t along, const Tensor& index)
      : axis(along), n(x.size(along)), m(index.size(along)) {
    Shape numbers = filled<Shape>(x.rank(), 1);
    numbers[axis] = n;
    const Tensor own = expand(reshape(arange(n), numbers), x.shape());
    order = argsort(concat({own, index}, axis), axis);  // stable: x's own come first
    begins = order < n;
    const Tensor factors = elements_at("scatter_reduce", concat({x, source}, axis), axis, order);
    carried = masked_fill(factors, begins, 0);
    y = linear_recurrence(carried, where(begins, factors, 0), axis, From::begin);
    const Tensor counts = 1 + sum_of_elements("scatter_reduce", x.shape(), axis, index,
                                              ones(index.shape(), Dtype::i64));
    ends = cumsum(counts, axis) - 1;
  }

  /// Of the gradient of y[ends].
  Gradients gradients(const Tensor& g) const {
    const Tensor dy = sum_of_elements("scatter_reduce", y.shape(), axis, ends, g);
    const Tensor arrived =
        linear_recurrence(before(carried, axis, From::end, 0), dy, axis, From::end);
    const Tensor dfactors = where(begins, arrived, arrived * before(y, axis, From::begin, 0));
    const Tensor all = sum_of_elements("scatter_reduce", y.shape(), axis, order, dfactors);
    return {slice(all, axis, 0, n), slice(all, axis, n, n + m)};
  }

  int64_t axis, n, m;
  Tensor order, begins, ends;
  Tensor carried, y;
};

/// The gradient of the extremes: shared equally by all that equal them.
Gradients extremes_gradient(const Backward& b, const Tensor& x, const Tensor& source, int64_t axis,
                            const Tensor& index) {
  const Dtype dtype = b.grad.dtype();
  const Tensor mine = (x == b.output()).to(dtype);
  const Tensor theirs =
      (source == elements_at("scatter_reduce", b.output(), axis, index)).to(dtype);
  const Tensor share =
      b.grad / (mine + sum_of_elements("scatter_reduce", x.shape(), axis, index, theirs));
  return {mine * share, theirs * elements_at("scatter_reduce", share, axis, index)};
}

/// Where index has x's lengths off the axis.
Tensor reduce_elements(const Tensor& x, int64_t axis, const Tensor& index, const Tensor& source,
                       Reduce reduce) {
  const Tensor y = scattered("scatter_reduce", x, axis, index, source, combine_of(reduce));
  return join_graph("scatter_reduce", {x, source}, y,
                    [x, source, axis, index, reduce](const Backward& b) -> Gradients {
                      return reduce == Reduce::prod
                                 ? ProductsByPlace(x, source, axis, index).gradients(b.grad)
                                 : extremes_gradient(b, x, source, axis, index);
                    },
                    {.keep_output = reduce != Reduce::prod});
}

}  // namespace

Tensor scatter_reduce(const Tensor& x, Int axis, const Tensor& index, const Tensor& source,
                      Reduce reduce) {
  require_numbers("scatter_reduce", "x", x);
  const ScatterCall call = checked_call("scatter_reduce", x, axis, index, source);
  if (reduce == Reduce::sum) return add_elements("scatter_reduce", x, call, source);
  const Tensor part = named_part(x, call.axis, index.shape());
  return with_part(x, reduce_elements(part, call.axis, call.index, source, reduce));
}

// ---- several axes at once ----------------------------------------------------------------------

Tensor index_put(const Tensor& x, TensorList indices, TensorOrNumber given,
                 IndexPutOptions options) {
  require_defined("index_put", "x", x);
  require_operands("index_put", x, given);
  if (options.accumulate) require_numbers("index_put", "x", x);
  const IndexedAxes at = index_axes("index_put", x.shape(), indices);
  const Tensor values = given.tensor() ? *given.tensor() : full({}, given.number(), x.dtype());
  require_same_dtype("index_put", x, values);
  if (!broadcasts_to(values.shape(), at.shape)) {
    fail("index_put: wanted values that broadcast to ", at.shape, " for x ", x.shape(), "; got ",
         values.shape());
  }
  Shape rows = at.flat;
  rows[0] = at.index.numel();
  const Tensor source = reshape(expand(values, at.shape), rows);
  if (options.accumulate)
    return x + reshape(sum_of_slices(at.flat, 0, at.index, source), x.shape());
  Shape column = filled<Shape>(rows.rank(), 1);
  column[0] = rows[0];
  const Tensor index = expand(reshape(at.index, column), rows);
  return reshape(with_elements("index_put", reshape(x, at.flat), 0, index, source), x.shape());
}

}  // namespace rapt
