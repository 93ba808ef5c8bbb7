#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/pointwise.h"

namespace rapt {

using kernels::Block;

namespace {

Tensor copied(const Tensor& x) {
  const Tensor y = empty(x.shape(), x.dtype());
  visit_any(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::copy(x.data<T>(), x.strides(), x.shape(), y.strides(), fresh_data<T>(y));
  });
  return join_graph("clone", {x}, y, [](const Backward& b) -> Gradients { return {b.grad}; });
}

/// For a conversion to i64, which cuts off what is behind the point.
template <class T>
void require_in_i64(const Tensor& x) {
  const int64_t at = first_bad<T>(x, [](T v) { return !is_in_i64(v); });
  if (at < 0) return;
  fail("to: wanted numbers that i64 can hold; got ", double{x.detach().contiguous().data<T>()[at]},
       " at ", at, " of ", x.dtype(), x.shape());
}

}  // namespace

Tensor Tensor::clone() const {
  require_defined("clone", "x", *this);
  return copied(*this);
}

Tensor Tensor::contiguous() const { return is_contiguous() ? *this : copied(*this); }

Tensor Tensor::to(Dtype dtype) const {
  const Dtype from = this->dtype();
  if (from == dtype) return *this;
  const Tensor y = visit_any(from, [&](auto in) {
    using In = decltype(in);
    return visit_any(dtype, [&](auto out) {
      using Out = decltype(out);
      if constexpr (std::is_floating_point_v<In> && std::is_same_v<Out, int64_t>) {
        require_in_i64<In>(*this);
      }
      return map_elements<Out, In>(
          *this, [](const Block<In>& u) -> Block<Out> { return u.template cast<Out>(); });
    });
  });
  if (!is_float(dtype)) return y;  // whole numbers and truth values carry no gradient
  return join_graph("to", {*this}, y,
                    [from](const Backward& b) -> Gradients { return {b.grad.to(from)}; });
}

}  // namespace rapt
