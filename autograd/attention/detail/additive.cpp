#include "rapt/autograd/attention/detail/additive.h"

#include "rapt/autograd/attention/detail/matrices.h"
#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/kernels/attention/additive.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"

namespace rapt {
namespace {

Tensor in_ops(const Tensors& in, const Tensor& masked) {
  Tensor sums = unsqueeze(in[0], -2) + unsqueeze(in[1], -3);  // [..., Tq, Tk, d]
  if (masked.defined()) {
    const Tensor out = unsqueeze(masked, -1);
    sums = masked_fill(expand(sums, broadcast("attention", sums.shape(), out.shape())), out, 0);
  }
  const Tensor weight = unsqueeze(unsqueeze(in[2], -2), -2);  // [..., 1, 1, d]
  const Tensor scores = sum(tanh(sums) * weight, -1);
  return masked.defined() ? masked_fill(scores, masked, 0) : scores;
}

/// One call, as its kernels read it.
struct Call {
  Shape batch;
  Tensor q, k, weight;  // with dense columns
  Tensor masked;

  template <class T>
  kernels::AdditiveScores<T> as() const {
    kernels::AdditiveScores<T> a{batch, q.size(-2), k.size(-2), q.size(-1), {}, {}, {}, {}};
    a.q = read_matrices<T>(q, batch);
    a.k = read_matrices<T>(k, batch);
    a.weight = read_matrices<T>(weight, batch);
    if (masked.defined()) a.masked = stretched<const bool>(masked.data<bool>(), masked, batch);
    return a;
  }

  Gradients gradients(const Tensor& given_g) const {
    const Tensor g = given_g.detach().contiguous();
    const Tensor dq = empty(matrices_shape(batch, q.size(-2), q.size(-1)), g.dtype());
    const Tensor dk = empty(matrices_shape(batch, k.size(-2), k.size(-1)), g.dtype());
    const Tensor dweight = empty(dq.shape(), g.dtype());
    visit_float(g.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::additive_scores_backward(as<T>(), g.data<T>(), fresh_data<T>(dq), fresh_data<T>(dk),
                                        fresh_data<T>(dweight));
    });
    return {dq, dk, sum(dweight, -2)};
  }
};

}  // namespace

Tensor additive_scores(const char* op, const Tensor& q, const Tensor& k, const Tensor& weight,
                       const Tensor& masked) {
  Shape batch = broadcast(op, leading_axes(q), leading_axes(k));
  const Tensor row = unsqueeze(weight, -2);  // [..., 1, d]
  batch = broadcast(op, batch, leading_axes(row));
  if (masked.defined()) batch = broadcast(op, batch, leading_axes(masked));
  const Tensors inputs = {with_dense_columns(q), with_dense_columns(k), weight};
  const Call call{batch, inputs[0].detach(), inputs[1].detach(), with_dense_columns(row).detach(),
                  masked};
  const Tensor scores = empty(matrices_shape(batch, q.size(-2), k.size(-2)), q.dtype());
  visit_float(q.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::additive_scores(call.as<T>(), fresh_data<T>(scores));
  });
  return join_graph(op, inputs, scores,
                    [call, inputs](const Backward& b) -> Gradients {
                      if (!b.create_graph) return call.gradients(b.grad);
                      return differentiate(
                          [&](const Tensors& in) { return in_ops(in, call.masked); }, inputs, b);
                    },
                    {.broadcasts = true});
}

}  // namespace rapt
