#include <algorithm>

#include "rapt/autograd/kernels/gemm.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/checks.h"
#include "rapt/autograd/record.h"
#include "rapt/autograd/storage.h"

namespace rapt {
namespace {

/// x as gemm can read its last two axes: itself, or a dense copy.
Tensor readable(const Tensor& x) {
  const Strides& s = x.strides();
  const int64_t last = x.rank() - 1;
  const auto fits = [&](auto zero) {
    return kernels::is_readable<decltype(zero)>(x.dim(-2), x.dim(-1), s[last - 1], s[last]);
  };
  return visit_float(x.dtype(), fits) ? x : x.contiguous();
}

template <class T>
kernels::Matrix<const T> matrix(const Tensor& x) {
  const int64_t last = x.rank() - 1;
  return {x.data<T>(), x.strides()[last - 1], x.strides()[last]};
}

/// The strides of x's leading axes along `batch`, 0 where they are stretched.
Strides batch_strides(const Tensor& x, const Shape& batch) {
  Strides out = Strides::filled(batch.rank(), 0);
  const int64_t own = x.rank() - 2;
  for (int64_t i = 0; i < own; ++i) {
    if (x.shape()[i] != 1) out[batch.rank() - own + i] = x.strides()[i];
  }
  return out;
}

Shape leading(const Tensor& x) { return Shape(x.shape().begin(), x.shape().end() - 2); }

/// [..., m, k] x [..., k, n], each with at least two axes.
Tensor batched(const Tensor& a, const Tensor& b) {
  const Shape batch = broadcast("matmul", leading(a), leading(b));
  const int64_t m = a.dim(-2), k = a.dim(-1), n = b.dim(-1);
  Shape shape = batch;
  shape.push_back(m);
  shape.push_back(n);
  const Tensor y = empty(shape, a.dtype());
  {
    const NoGrad no_grad;
    const Tensor left = readable(a), right = readable(b);
    visit_float(a.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::batched_gemm<T>({{m, n, k, matrix<T>(left), matrix<T>(right), {fresh_data<T>(y), n, 1}},
                        batch,
                        batch_strides(left, batch),
                        batch_strides(right, batch),
                        m * n});
    });
  }
  return record("matmul", {a, b}, y,
                [a, b](const Backward& g) -> Gradients {
                  return {g.needs(0) ? matmul(g.grad, transpose(b)) : Tensor(),
                          g.needs(1) ? matmul(transpose(a), g.grad) : Tensor()};
                },
                {.broadcasts = true});
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  require_float("matmul", "a", a);
  require_float("matmul", "b", b);
  require_same_dtype("matmul", a, b);
  if (a.rank() == 0 || b.rank() == 0) {
    fail("matmul: wanted at least one axis each; got a ", a.shape(), " and b ", b.shape());
  }
  if (a.rank() == 1) return squeeze(matmul(unsqueeze(a, 0), b), b.rank() == 1 ? 0 : -2);
  if (b.rank() == 1) return squeeze(matmul(a, unsqueeze(b, 1)), -1);
  if (a.dim(-1) != b.dim(-2)) {
    fail("matmul: wanted a [..., m, k] and b [..., k, n]; got a ", a.shape(), " and b ", b.shape());
  }
  if (b.rank() == 2 && a.rank() > 2 && a.numel() > 0) {
    // One tall product instead of many; b's gradient is then one product too.
    Shape shape = a.shape();
    shape.back() = b.dim(-1);
    return reshape(batched(reshape(a, {-1, a.dim(-1)}), b), shape);
  }
  return batched(a, b);
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  require_float("linear", "x", x);
  require_same_dtype("linear", x, weight);
  if (weight.rank() != 2 || x.rank() == 0 || x.dim(-1) != weight.dim(1)) {
    fail("linear: wanted x [..., in] and weight [out, in]; got x ", x.shape(), " and weight ",
         weight.shape());
  }
  const int64_t in = weight.dim(1), out = weight.dim(0);
  if (bias.defined()) {
    require_same_dtype("linear", x, bias);
    if (bias.shape() != Shape{out}) {
      fail("linear: wanted bias [", out, "], the first axis of weight ", weight.shape(), "; got ",
           bias.shape());
    }
  }
  Shape shape = x.shape();
  shape.back() = out;
  const Tensor y = empty(shape, x.dtype());
  const int64_t rows = in == 0 ? y.numel() / std::max<int64_t>(out, 1) : x.numel() / in;
  {
    const NoGrad no_grad;
    const Tensor left = reshape(x, {rows, in}).contiguous(), right = readable(weight);
    const Tensor added = bias.defined() ? bias.contiguous() : bias;
    visit_float(x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::Product<T> product{
          rows, out, in, matrix<T>(left), matrix<T>(right).transposed(), {fresh_data<T>(y), out, 1}};
      product.bias = added.defined() ? added.data<T>() : nullptr;
      kernels::batched_gemm<T>({product, {1}, {0}, {0}, 0});
    });
  }
  return record("linear", {x, weight, bias}, y, [x, weight](const Backward& b) -> Gradients {
    const int64_t width = weight.dim(0);
    const int64_t count = b.grad.numel() / std::max<int64_t>(width, 1);
    const Tensor g = reshape(b.grad, {count, width});
    return {b.needs(0) ? reshape(matmul(g, weight), x.shape()) : Tensor(),
            b.needs(1) ? matmul(transpose(g), reshape(x, {count, weight.dim(1)})) : Tensor(),
            b.needs(2) ? sum(g, {0}) : Tensor()};
  });
}

}  // namespace rapt
