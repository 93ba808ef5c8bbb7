#include "rapt/autograd/kernels/reduce.h"

#include <algorithm>
#include <bit>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/node.h"
#include "rapt/autograd/graph/recording.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/kernels/fold.h"
#include "rapt/autograd/kernels/softmax.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/layout.h"
#include "rapt/autograd/ops/detail/pointwise.h"
#include "rapt/autograd/ops/detail/reduction.h"
#include "rapt/autograd/ops/detail/sum_to.h"

namespace rapt {
namespace {

Axes all_axes(const char* op, const Tensor& x) {
  require_defined(op, "x", x);
  Axes axes;
  for (int64_t axis = 0; axis < x.rank(); ++axis) axes.push_back(axis);
  return axes;
}

/// run(reduction, dense x, result) over the axes, as a dense tensor of the reduced shape.
template <class Run>
Tensor reduced(const Tensor& x, const Axes& axes, bool keepdim, Dtype dtype, Run run) {
  const NoGrad no_grad;
  const ReductionPlan p = plan_reduction(x, axes);
  Tensor y = empty(p.kept, dtype);
  run(p.reduction, p.x, y);
  Axes back;  // where each axis that is kept lies in y
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    for (int64_t i = 0; i < p.kept_axes.size(); ++i) {
      if (p.kept_axes[i] == axis) back.push_back(i);
    }
  }
  y = permute(y, back).contiguous();
  const Shape shape = reduced_shape(x.shape(), axes, keepdim);
  return make_view(y, shape, row_major(shape));
}

/// A reduction's result, or its gradient, stretched back over the axes it lost.
Tensor restore(const Tensor& reduced, const Shape& shape, const Axes& axes) {
  return expand(reshape(reduced, reduced_shape(shape, axes, true)), shape);
}

int64_t count_over(const Shape& shape, const Axes& axes) {
  int64_t count = 1;
  for (const int64_t axis : axes) count *= shape[axis];
  return count;
}

/// g * exp(x) / sum(exp(x)) over axes, in ops; 0 where all is -inf, whatever g.   g of x's shape
Tensor times_softmax(const Tensor& g, const Tensor& x, const Axes& axes) {
  if (x.numel() == 0) return x;  // there is no largest
  const Tensor top = max(x.detach(), axes, {.keepdim = true});
  const Tensor e = exp(x - masked_fill(top, logical_not(isfinite(top)), 0));
  const Tensor total = sum(e, axes, {.keepdim = true});
  const Tensor none = equal(total, zeros({}, x.dtype()));
  return masked_fill(g * (e / masked_fill(total, none, 1)), none, 0);
}

Tensor extreme(const char* op, bool largest, const Tensor& x, const Axes& given, bool keepdim) {
  require_defined(op, "x", x);
  if (x.dtype() == Dtype::b8) fail(op, ": wanted f32, f64 or i64; got b8", x.shape());
  const Axes axes = resolve_axes(op, given, x.rank());
  if (count_over(x.shape(), axes) == 0) {
    fail(op, ": wanted at least one element along axes ", axes, "; got shape ", x.shape());
  }
  const Tensor y = reduced(x, axes, keepdim, x.dtype(), [&](auto& r, auto& dense, auto& out) {
    visit_number(x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::extreme(r, largest, dense.template data<T>(), fresh_data<T>(out));
    });
  });
  return join_graph(
      op, {x}, y,
      [x, axes](const Backward& b) -> Gradients {
        const Tensor hit = equal(x, restore(b.output(), x.shape(), axes)).to(x.dtype());
        return {restore(b.grad, x.shape(), axes) * (hit / sum(hit, axes, {.keepdim = true}))};
      },
      {.keep_output = true});
}

}  // namespace

Tensor sum(const Tensor& x) { return sum(x, all_axes("sum", x)); }

Tensor sum(const Tensor& x, const Axes& given, ReduceOptions options) {
  require_defined("sum", "x", x);
  if (x.dtype() == Dtype::b8) fail("sum: wanted f32, f64 or i64; got b8", x.shape());
  const Axes axes = resolve_axes("sum", given, x.rank());
  const Tensor y =
      reduced(x, axes, options.keepdim, x.dtype(), [&](auto& r, auto& dense, auto& out) {
        visit_number(x.dtype(), [&](auto zero) {
          using T = decltype(zero);
          kernels::sum(r, dense.template data<T>(), fresh_data<T>(out));
        });
      });
  return join_graph("sum", {x}, y, [shape = x.shape(), axes](const Backward& b) -> Gradients {
    return {restore(b.grad, shape, axes)};
  });
}

Tensor mean(const Tensor& x) { return mean(x, all_axes("mean", x)); }

Tensor mean(const Tensor& x, const Axes& given, ReduceOptions options) {
  require_float("mean", "x", x);
  const Axes axes = resolve_axes("mean", given, x.rank());
  return sum(x, axes, options) / static_cast<double>(count_over(x.shape(), axes));
}

Tensor max(const Tensor& x) { return max(x, all_axes("max", x)); }
Tensor max(const Tensor& x, const Axes& axes, ReduceOptions options) {
  return extreme("max", true, x, axes, options.keepdim);
}

Tensor min(const Tensor& x) { return min(x, all_axes("min", x)); }
Tensor min(const Tensor& x, const Axes& axes, ReduceOptions options) {
  return extreme("min", false, x, axes, options.keepdim);
}

Tensor var(const Tensor& x) { return var(x, all_axes("var", x)); }

Tensor var(const Tensor& x, const Axes& given, VarOptions options) {
  require_float("var", "x", x);
  const Axes axes = resolve_axes("var", given, x.rank());
  const Tensor deviation = x - mean(x, axes, {.keepdim = true});
  const double count = static_cast<double>(count_over(x.shape(), axes));
  // PyTorch's: inf or NaN where correction leaves nothing to divide by.
  return sum(deviation * deviation, axes, {.keepdim = options.keepdim}) /
         std::max(count - options.correction, 0.0);
}

Tensor logsumexp(const Tensor& x) { return logsumexp(x, all_axes("logsumexp", x)); }

Tensor logsumexp(const Tensor& x, const Axes& given, ReduceOptions options) {
  require_float("logsumexp", "x", x);
  const Axes axes = resolve_axes("logsumexp", given, x.rank());
  const Tensor y =
      reduced(x, axes, options.keepdim, x.dtype(), [&](auto& r, auto& dense, auto& out) {
        visit_float(x.dtype(), [&](auto zero) {
          using T = decltype(zero);
          kernels::logsumexp(r, dense.template data<T>(), fresh_data<T>(out));
        });
      });
  return join_graph("logsumexp", {x}, y, [x, axes](const Backward& b) -> Gradients {
    if (b.create_graph) return {times_softmax(restore(b.grad, x.shape(), axes), x, axes)};
    const ReductionPlan p = plan_reduction(x, axes);
    const Tensor dx = empty(p.x.shape(), p.x.dtype());
    Axes order;  // of the axes that are kept, among themselves
    for (const int64_t axis : p.kept_axes) {
      int64_t place = 0;
      for (const int64_t other : p.kept_axes) place += other < axis;
      order.push_back(place);
    }
    const Tensor kept = reshape(b.grad, reduced_shape(x.shape(), axes, false));
    const Tensor g = permute(kept, order).contiguous();
    visit_float(x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::logsumexp_backward(p.reduction, p.x.data<T>(), g.data<T>(), fresh_data<T>(dx));
    });
    return {p.back(dx)};
  });
}

namespace {

Tensor index_of_max(const char* op, const Tensor& x, Int axis, bool keepdim) {
  require_defined(op, "x", x);
  if (x.dtype() == Dtype::b8) fail(op, ": wanted f32, f64 or i64; got b8", x.shape());
  const Axes axes = {resolve_axis(op, axis, x.rank())};
  if (count_over(x.shape(), axes) == 0) {
    fail(op, ": wanted at least one element along axis ", axis, "; got shape ", x.shape());
  }
  return reduced(x, axes, keepdim, Dtype::i64, [&](auto& r, auto& dense, auto& out) {
    visit_number(x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::argmax(r, dense.template data<T>(), fresh_data<int64_t>(out));
    });
  });
}

}  // namespace

Tensor argmax(const Tensor& x, Int axis, ReduceOptions options) {
  return index_of_max("argmax", x, axis, options.keepdim);
}

ValuesAndIndices max_with_indices(const Tensor& x, Int axis, ReduceOptions options) {
  constexpr const char* op = "max_with_indices";
  const Tensor index = index_of_max(op, x, axis, true);
  const int64_t along = resolve_axis(op, axis, x.rank());
  const auto shown = [&](const Tensor& y) { return options.keepdim ? y : squeeze(y, along); };
  Tensors both;
  {
    const NoGrad no_grad;
    both = {shown(gather(x, along, index)), shown(index)};
  }
  both = join_graph(op, {x}, std::move(both),
                    [index, along, shape = x.shape()](const Backward& b) -> Gradients {
                      const Tensor g = reshape(b.grad, index.shape());
                      return {scatter_add(zeros(shape, g.dtype()), along, index, g)};
                    });
  return {both[0], both[1]};
}

// ---- gradients of what was broadcast -----------------------------------------------------------

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
