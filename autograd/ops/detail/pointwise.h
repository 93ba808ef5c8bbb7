#pragma once

// Private to the ops: how a function of single elements becomes an op.

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/kernels/elementwise.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/layout.h"

namespace rapt {

/// The element type of a block: what a generic lambda casts its constants to.
template <class Block>
using Scalar = typename Block::Scalar;

/// x read along `shape`, to which it broadcasts.
template <class T>
kernels::Operand<T> operand(const Tensor& x, const Shape& shape) {
  return {x.data<T>(), strides_along(x, shape)};
}

/// f of each element of x, outside the graph.
template <class Out, class In, class F>
Tensor map_elements(const Tensor& x, F f) {
  const Tensor y = empty_result(x.shape(), dtype_of<Out>(), {&x});
  kernels::map(fresh_data<Out>(y), y.strides(), y.shape(), f, operand<In>(x, y.shape()));
  return y;
}

/// f of each pair of elements, broadcast.
template <class Out, class A, class B, class F>
Tensor map_elements(const char* op, const Tensor& a, const Tensor& b, F f) {
  const Shape shape = broadcast(op, a.shape(), b.shape());
  const Tensor y = empty_result(shape, dtype_of<Out>(), {&a, &b});
  kernels::map(fresh_data<Out>(y), y.strides(), shape, f, operand<A>(a, shape),
               operand<B>(b, shape));
  return y;
}

/// Which dtypes an op takes: f32 and f64, or i64 too.
enum class Takes { floats, numbers };

template <Takes takes, class F>
decltype(auto) visit(const char* op, const Tensor& x, F&& f) {
  if constexpr (takes == Takes::numbers) {
    require_numbers(op, "the argument", x);
    return visit_number(x.dtype(), f);
  } else {
    require_float(op, "an argument", x);
    return visit_float(x.dtype(), f);
  }
}

/// An op of one argument: its value on a Block of elements, and its gradient rule.
template <Takes takes = Takes::floats, class F, class R>
Tensor pointwise(const char* op, const Tensor& x, F value, R rule, RecordOptions options = {}) {
  Tensor y = visit<takes>(op, x, [&](auto zero) {
    using T = decltype(zero);
    return map_elements<T, T>(x, value);
  });
  return join_graph(op, {x}, std::move(y), std::move(rule), options);
}

/// An op of two arguments that broadcast. The rule need not think of that.
template <Takes takes = Takes::floats, class F, class R>
Tensor pointwise(const char* op, const Tensor& a, const Tensor& b, F value, R rule,
                 RecordOptions options = {}) {
  require_same_dtype(op, a, b);
  Tensor y = visit<takes>(op, a, [&](auto zero) {
    using T = decltype(zero);
    return map_elements<T, T, T>(op, a, b, value);
  });
  options.broadcasts = true;
  return join_graph(op, {a, b}, std::move(y), std::move(rule), options);
}

}  // namespace rapt
