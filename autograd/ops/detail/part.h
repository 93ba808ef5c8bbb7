#pragma once

// Private to the ops: views of a part of a tensor.

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/node.h"
#include "rapt/autograd/graph/reuse.h"
#include "rapt/autograd/ops/detail/pointwise.h"

namespace rapt {

/// A part of a tensor, each element at most once, as a view shows it.
struct Part {
  Shape shape;
  Strides strides;
  int64_t offset = 0;
};

/// The adjoint of taking a part: zeros of that shape, with the part written where it was.
template <class Choose>
Tensor put_back(const char* op, const Tensor& part, const Shape& shape, Choose choose);

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
                   if (!whole.defined()) return {put_back("put_back", b.grad, shape, choose)};
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
Tensor put_back(const char* op, const Tensor& part, const Shape& shape, Choose choose) {
  const Tensor whole = zeros(shape, part.dtype());
  add_to_part(whole, part, choose);
  return join_graph(op, {part}, whole, [choose](const Backward& b) -> Gradients {
    return {take_part("part", b.grad, choose)};
  });
}

}  // namespace rapt
