#include "rapt/autograd/kernels/attention/attention.h"

#include "rapt/autograd/attention/detail/definition.h"
#include "rapt/autograd/attention/detail/problem.h"
#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/layout.h"

namespace rapt {
namespace {

Shape batch_of(const char* op, const Tensor& q, const Tensor& k) {
  require_float(op, "q", q);
  require_same_dtype(op, q, k);
  if (q.rank() < 2 || k.rank() < 2 || q.size(-1) != k.size(-1)) {
    fail(op, ": wanted q [..., Tq, d] and k [..., Tk, d]; got q ", q.shape(), " and k ", k.shape());
  }
  return broadcast(op, leading_axes(q), leading_axes(k));
}

Shape batch_of(const char* op, const Tensor& q, const Tensor& k, const Tensor& v) {
  const Shape batch = batch_of(op, q, k);
  require_same_dtype(op, q, v);
  if (v.rank() < 2 || v.size(-2) != k.size(-2)) {
    fail(op, ": wanted v [..., Tk, dv] for k ", k.shape(), "; got ", v.shape());
  }
  return broadcast(op, batch, leading_axes(v));
}

void check_dropout(const char* op, const AttentionOptions& options) {
  if (!(options.dropout >= 0 && options.dropout < 1)) {
    fail(op, ": wanted 0 <= dropout < 1; got ", options.dropout);
  }
  if (options.dropout > 0 && options.rng == nullptr) fail(op, ": wanted an rng for its dropout");
}

std::shared_ptr<const AttentionProblem> problem_of(const char* op, const Shape& batch,
                                                   const Tensor& q, const Tensor& k,
                                                   const AttentionOptions& options) {
  check_dropout(op, options);
  const auto problem =
      std::allocate_shared<AttentionProblem>(PoolAllocator<AttentionProblem>(), op, batch,
                                             q.size(-2), k.size(-2), options.mask, q.dtype());
  problem->set_score(options.score, q.size(-1));
  return problem;
}

/// Matrices that are not set yet, [batch..., rows, columns], laid out as `like`.
Tensor empty_matrices(const Tensor& like, const Shape& batch, int64_t rows, int64_t columns) {
  return empty_like(like, matrices_shape(batch, rows, columns));
}

/// x as the kernels read it, its columns dense: itself, or a copy.
Tensor with_dense_columns(const Tensor& x) {
  const int64_t last = x.rank() - 1;
  const bool fits = x.strides()[last] == 1 && x.strides()[last - 1] >= x.size(-1);
  return fits ? x.detach() : x.detach().contiguous();
}

/// The stride of an axis counted from the last; 0 where x is stretched.
int64_t stride_from_last(const Tensor& x, int64_t axis) {
  const int64_t own = x.rank() - axis;
  return own < 0 || x.shape()[own] == 1 ? 0 : x.strides()[own];
}

/// x's last two axes as matrices along `batch`, which its other axes broadcast to.
template <class T>
kernels::Matrices<T> matrices(T* data, const Tensor& x, const Shape& batch) {
  // A single row or column has no stride of its own; BLAS still wants a plausible one.
  const int64_t row = x.size(-2) > 1 ? stride_from_last(x, 2) : x.size(-1);
  return {{data, row, x.size(-1) > 1 ? stride_from_last(x, 1) : 1}, batch_strides(x, batch)};
}

template <class T>
kernels::Matrices<const T> read(const Tensor& x, const Shape& batch) {
  return matrices<const T>(x.data<T>(), x, batch);
}

template <class T>
kernels::Matrices<T> write(const Tensor& x, const Shape& batch) {
  return matrices<T>(fresh_data<T>(x), x, batch);
}

/// What broadcasts to [batch..., Tq, Tk], element by element.
template <class T>
kernels::Matrices<T> stretched(T* data, const Tensor& x, const Shape& batch) {
  return {{data, stride_from_last(x, 2), stride_from_last(x, 1)}, batch_strides(x, batch)};
}

/// Of one call: what its kernels read.
struct Inputs {
  std::shared_ptr<const AttentionProblem> problem;
  Tensor q, k, v;  // with dense columns
  WeightDropout dropout;

  template <class T>
  kernels::Attention<T> as() const {
    const AttentionProblem& p = *problem;
    kernels::Attention<T> a{};
    a.batch = p.batch;
    a.queries = p.queries;
    a.keys = p.keys;
    a.width = q.size(-1);
    a.value_width = v.size(-1);
    a.q = read<T>(q, p.batch);
    a.k = read<T>(k, p.batch);
    a.v = read<T>(v, p.batch);
    a.spans = p.spans();
    for (const Tensor& may : p.allowed) {
      a.may_attend.push_back(stretched<const bool>(may.data<bool>(), may, p.batch));
    }
    for (const Tensor& plus : p.added) {
      a.added.push_back(stretched<const T>(plus.data<T>(), plus, p.batch));
    }
    a.scale = static_cast<T>(p.scale);
    if (p.soft_cap) a.soft_cap = static_cast<T>(*p.soft_cap);
    a.dropout = dropout.p;
    a.draws = dropout.draws;
    return a;
  }
};

/// What the gradient's kernels need.
struct Kept {
  Inputs in;
  Tensor shift, factor;  // of each row's softmax, [entries of the batch, Tq]

  template <class T>
  kernels::Softmax<const T> softmax() const {
    return {shift.data<T>(), factor.data<T>()};
  }

  /// Of q, k, v and of what was added to the scores.
  Gradients gradients(const Backward& b) const {
    const AttentionProblem& p = *in.problem;
    const Tensor g = with_dense_columns(b.grad), out = b.output().detach();
    Gradients all = {empty_matrices(in.q, p.batch, p.queries, in.q.size(-1)),
                     empty_matrices(in.k, p.batch, p.keys, in.k.size(-1)),
                     empty_matrices(in.v, p.batch, p.keys, in.v.size(-1))};
    visit_float(g.dtype(), [&](auto zero) {
      using T = decltype(zero);
      const kernels::Attention<T> a = in.as<T>();
      kernels::attention_backward(a, read<T>(out, p.batch), read<T>(g, p.batch), softmax<T>(),
                                  write<T>(all[0], p.batch), write<T>(all[1], p.batch),
                                  write<T>(all[2], p.batch));
      for (size_t i = 0; i < p.added.size(); ++i) {
        all.emplace_back();
        if (!b.needs(3 + i)) continue;
        all.back() = zeros(p.added[i].shape(), g.dtype());
        kernels::attention_added_backward(
            a, read<T>(out, p.batch), read<T>(g, p.batch), softmax<T>(),
            stretched<T>(fresh_data<T>(all.back()), all.back(), p.batch));
      }
    });
    return all;
  }
};

}  // namespace

Tensor attention_weights(const Tensor& q, const Tensor& k, const AttentionOptions& options) {
  constexpr const char* op = "attention_weights";
  const auto p = problem_of(op, batch_of(op, q, k), q, k, options);
  Tensors in = {q, k, Tensor()};
  in.insert(in.end(), p->added.begin(), p->added.end());
  return attention_weights_in_ops(*p, in);
}

Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const AttentionOptions& options) {
  constexpr const char* op = "scaled_dot_product_attention";
  const auto p = problem_of(op, batch_of(op, q, k, v), q, k, options);
  const int64_t entries = p->batch.numel();
  WeightDropout dropout{options.dropout};
  if (dropout.p > 0) {
    dropout.draws =
        options.rng->take(kernels::attention_dropout_blocks(entries, p->queries, p->keys));
  }
  Tensors inputs = {q, k, v};
  inputs.insert(inputs.end(), p->added.begin(), p->added.end());
  if (p->has_functions()) return attention_in_ops(p, inputs, dropout);

  Kept kept{{p, with_dense_columns(q), with_dense_columns(k), with_dense_columns(v), dropout},
            empty({entries, p->queries}, q.dtype()),
            empty({entries, p->queries}, q.dtype())};
  const Tensor y = empty_matrices(q, p->batch, p->queries, v.size(-1));
  visit_float(q.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::attention(kept.in.as<T>(), write<T>(y, p->batch),
                       {fresh_data<T>(kept.shift), fresh_data<T>(kept.factor)});
  });
  return join_graph(op, inputs, y,
                    [kept, inputs](const Backward& b) -> Gradients {
                      if (!b.create_graph) return kept.gradients(b);
                      return differentiate(
                          [&](const Tensors& in) {
                            return attention_in_ops(kept.in.problem, in, kept.in.dropout);
                          },
                          inputs, b);
                    },
                    {.keep_output = true, .broadcasts = true});
}

}  // namespace rapt
