#include <algorithm>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/kept.h"
#include "rapt/autograd/graph/reuse.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/kernels/gemm/gemm.h"
#include "rapt/autograd/kernels/gemm/integer.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/layout.h"
#include "rapt/autograd/ops/detail/products.h"
#include "rapt/autograd/ops/detail/sum_to.h"
#include "rapt/autograd/ops/detail/weight_layouts.h"

namespace rapt {
namespace {

/// x as gemm can read its last two axes: itself, or a dense copy.
Tensor readable(const Tensor& x) {
  const Strides& s = x.strides();
  const int64_t last = x.rank() - 1;
  const auto fits = [&](auto zero) {
    return kernels::is_readable<decltype(zero)>(x.size(-2), x.size(-1), s[last - 1], s[last]);
  };
  return visit_float(x.dtype(), fits) ? x : x.contiguous();
}

template <class T>
kernels::Matrix<const T> matrix(const Tensor& x) {
  const int64_t last = x.rank() - 1;
  return {x.data<T>(), x.strides()[last - 1], x.strides()[last]};
}

/// The gradients of a product of two matrices that are wanted.
Gradients matrix_gradients(const Backward& b, const Tensor& left, const Tensor& right) {
  Products products;
  Gradients out(2);
  if (b.needs(0))
    out[0] = products.add(b.grad, transpose(right), left.shape(), accumulate_into(b, 0));
  if (b.needs(1))
    out[1] = products.add(transpose(left), b.grad, right.shape(), accumulate_into(b, 1));
  products.run();
  return out;
}

/// The value of a product of i64, which BLAS has not.
void multiply_integers(const Shape& batch, const Tensor& a, const Tensor& b, const Tensor& y) {
  const Tensor left = a.contiguous(), right = b.contiguous();
  kernels::integer_products({batch, a.size(-2), b.size(-1), a.size(-1), left.data<int64_t>(),
                             batch_strides(left, batch), right.data<int64_t>(),
                             batch_strides(right, batch), fresh_data<int64_t>(y)});
}

/// [..., m, k] x [..., k, n], each with at least two axes.
Tensor batched(const Tensor& a, const Tensor& b) {
  const Shape batch = broadcast("matmul", leading_axes(a), leading_axes(b));
  const int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1);
  const Tensor y = empty(matrices_shape(batch, m, n), a.dtype());
  if (a.dtype() == Dtype::i64) {
    multiply_integers(batch, a, b, y);
  } else {
    const NoGrad no_grad;
    const Tensor left = readable(a), right = readable(b);
    visit_float(a.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::batched_gemm<T>(
          {{m, n, k, matrix<T>(left), matrix<T>(right), {fresh_data<T>(y), n, 1}},
           batch,
           batch_strides(left, batch),
           batch_strides(right, batch),
           m * n});
    });
  }
  return join_graph("matmul", {a, b}, y,
                    [a, b](const Backward& g) -> Gradients {
                      if (!g.create_graph && a.rank() == 2 && b.rank() == 2) {
                        return matrix_gradients(g, a.detach(), b.detach());
                      }
                      return {g.needs(0) ? matmul(g.grad, transpose(b)) : Tensor(),
                              g.needs(1) ? matmul(transpose(a), g.grad) : Tensor()};
                    },
                    {.broadcasts = true});
}

}  // namespace

Tensor Products::add(const Tensor& a, const Tensor& b, const Shape& shape, const Tensor& into,
                     const Tensor& bias) {
  const Tensor out = into.defined() ? into : empty(shape, a.dtype());
  all_.push_back({readable(a), readable(b), bias.defined() ? bias.detach().contiguous() : bias, out,
                  into.defined()});
  return out;
}

void Products::run() {
  if (all_.empty()) return;
  visit_float(all_.front().a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    PoolVector<kernels::Product<T>> products;
    for (const One& one : all_) {
      const int64_t m = one.a.size(0), k = one.a.size(1), n = one.b.size(1);
      kernels::Product<T> product{
          m, n, k, matrix<T>(one.a), matrix<T>(one.b), {fresh_data<T>(one.out), n, 1}};
      product.add = one.adds;
      product.bias = one.bias.defined() ? one.bias.data<T>() : nullptr;
      products.push_back(product);
    }
    kernels::gemms<T>(products);
  });
  all_.clear();
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  require_numbers("matmul", "a", a);
  require_same_dtype("matmul", a, b);
  if (a.rank() == 0 || b.rank() == 0) {
    fail("matmul: wanted at least one axis each; got a ", a.shape(), " and b ", b.shape());
  }
  if (a.size(-1) != b.size(b.rank() == 1 ? 0 : -2)) {
    fail("matmul: wanted a [..., m, k] and b [..., k, n]; got a ", a.shape(), " and b ", b.shape());
  }
  if (a.rank() == 1) return squeeze(matmul(unsqueeze(a, 0), b), b.rank() == 1 ? 0 : -2);
  if (b.rank() == 1) return squeeze(matmul(a, unsqueeze(b, 1)), -1);
  if (b.rank() == 2 && a.rank() > 2 && a.numel() > 0) {
    // One tall product instead of many; b's gradient is then one product too.
    Shape shape = a.shape();
    shape.back() = b.size(-1);
    return reshape(batched(reshape(a, {-1, a.size(-1)}), b), shape);
  }
  return batched(a, b);
}

Tensor outer(const Tensor& a, const Tensor& b) {
  require_numbers("outer", "a", a);
  require_same_dtype("outer", a, b);
  if (a.rank() != 1 || b.rank() != 1) {
    fail("outer: wanted vectors a [n] and b [m]; got a ", a.shape(), " and b ", b.shape());
  }
  return unsqueeze(a, 1) * b;
}

void check_linear(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  require_float(op, "x", x);
  require_same_dtype(op, x, weight);
  if (weight.rank() != 2 || x.rank() == 0 || x.size(-1) != weight.size(1)) {
    fail(op, ": wanted x [..., in] and weight [out, in]; got x ", x.shape(), " and weight ",
         weight.shape());
  }
  if (!bias.defined()) return;
  require_same_dtype(op, x, bias);
  if (bias.shape() != Shape{weight.size(0)}) {
    fail(op, ": wanted bias [", weight.size(0), "], the first axis of weight ", weight.shape(),
         "; got ", bias.shape());
  }
}

namespace {

int64_t rows_of(const Tensor& x) {
  int64_t rows = 1;
  for (int64_t axis = 0; axis + 1 < x.rank(); ++axis) rows *= x.shape()[axis];
  return rows;
}

/// x as one matrix: its rows are all but its last axis.
Tensor as_matrix(const Tensor& x) { return reshape(x, {rows_of(x), x.size(-1)}); }

/// Of y_i = x W_i^T + bias_i, the inputs being x, W_0, bias_0, W_1, ...:
///   dx = sum over i of g_i W_i,   dW_i = g_i^T x,   dbias_i = sum over rows of g_i
/// dx is one left fold, the last map first.
class LinearGradients {
 public:
  LinearGradients(const Backward& b, const Kept& x, const Tensors& weights)
      : b_(b), x_(x), weights_(weights), out_(1 + 2 * weights.size()) {}

  Gradients run() {
    for (size_t i = weights_.size(); i-- > 0;) {
      if (!b_.grad_of(i).defined()) continue;
      const Tensor g = as_matrix(b_.grad_of(i));  // [rows, out]
      if (b_.create_graph) {
        add_in_ops(i, g);
      } else {
        add(i, g);
      }
      if (b_.needs(bias_at(i))) {
        out_[bias_at(i)] = sum_to(g, {weights_[i].size(0)}, accumulate_into(b_, bias_at(i)));
      }
    }
    return std::move(out_);
  }

 private:
  static size_t weight_at(size_t i) { return 1 + 2 * i; }
  static size_t bias_at(size_t i) { return 2 + 2 * i; }

  Shape x_shape(size_t i) const {
    Shape shape = b_.grad_of(i).shape();
    shape.back() = weights_[i].size(1);
    return shape;
  }

  void add(size_t i, const Tensor& g) {
    Products products;
    if (b_.needs(0)) {
      const Tensor into = out_[0].defined() ? out_[0] : accumulate_into(b_, 0);
      out_[0] = products.add(g, weights_[i].detach(), x_shape(i), into);
    }
    if (b_.needs(weight_at(i))) {
      out_[weight_at(i)] = products.add(transpose(g), as_matrix(x_.get(b_).detach()),
                                        weights_[i].shape(), accumulate_into(b_, weight_at(i)));
    }
    products.run();
  }

  void add_in_ops(size_t i, const Tensor& g) {
    if (b_.needs(0)) {
      const Tensor dx = reshape(matmul(g, weights_[i]), x_shape(i));
      out_[0] = out_[0].defined() ? out_[0] + dx : dx;
    }
    if (b_.needs(weight_at(i))) {
      out_[weight_at(i)] = matmul(transpose(g), as_matrix(x_.get(b_)));
    }
  }

  const Backward& b_;
  const Kept& x_;
  const Tensors& weights_;
  Gradients out_;
};

/// linear_each for few rows outside the graph, with weights that were laid out before.
Tensors laid_out_maps(WeightLayouts& layouts, const Tensor& x, TensorList weights,
                      TensorList biases) {
  const Tensor rows = readable(as_matrix(x));
  Tensors out;
  for (size_t i = 0; i < weights.size(); ++i) {
    const kernels::PackedB<float>& b = layouts.of(weights[i]);
    Shape shape = x.shape();
    shape.back() = weights[i].size(0);
    const Tensor y = empty(shape, Dtype::f32);
    kernels::Product<float> product{rows.size(0),
                                    weights[i].size(0),
                                    rows.size(1),
                                    matrix<float>(rows),
                                    matrix<float>(transpose(weights[i])),
                                    {fresh_data<float>(y), shape.back(), 1}};
    const Tensor bias = biases.empty() || !biases[i].defined() ? Tensor() : biases[i].contiguous();
    if (bias.defined()) product.bias = bias.data<float>();
    kernels::gemm_of_few_rows(product, b);
    out.push_back(y);
  }
  return out;
}

/// linear_each, under the name of the function that was called.
Tensors linear_maps(const char* op, const Tensor& x, TensorList weights, TensorList biases) {
  const auto bias_of = [&](size_t i) { return biases.empty() ? Tensor() : biases[i]; };
  for (size_t i = 0; i < weights.size(); ++i) check_linear(op, x, weights[i], bias_of(i));
  if (WeightLayouts* const layouts = WeightLayouts::for_rows(rows_of(x), x.dtype())) {
    if (std::all_of(weights.begin(), weights.end(), WeightLayouts::can_hold)) {
      return laid_out_maps(*layouts, x, weights, biases);
    }
  }
  Products products;
  Tensors out;
  Tensors inputs = {x};
  for (size_t i = 0; i < weights.size(); ++i) {
    const NoGrad no_grad;
    Shape shape = x.shape();
    shape.back() = weights[i].size(0);
    out.push_back(products.add(as_matrix(x), transpose(weights[i]), shape, {}, bias_of(i)));
    inputs.push_back(weights[i]);
    inputs.push_back(bias_of(i));
  }
  products.run();
  return join_graph(op, inputs, std::move(out),
                    [x = Kept(x), all = Tensors(weights.begin(), weights.end())](
                        const Backward& b) { return LinearGradients(b, x, all).run(); });
}

}  // namespace

Tensors linear_each(const Tensor& x, TensorList weights, TensorList biases) {
  if (!biases.empty() && biases.size() != weights.size()) {
    fail("linear_each: wanted a bias for each of ", weights.size(), " weights, or none; got ",
         biases.size());
  }
  if (weights.empty()) return {};
  return linear_maps("linear_each", x, weights, biases);
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return linear_maps("linear", x, {weight}, {bias})[0];
}

}  // namespace rapt
