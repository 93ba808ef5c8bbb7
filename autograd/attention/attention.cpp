#include "rapt/autograd/kernels/attention/attention.h"

#include "rapt/autograd/attention/detail/definition.h"
#include "rapt/autograd/attention/detail/matrices.h"
#include "rapt/autograd/attention/detail/problem.h"
#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/layout.h"

namespace rapt {
namespace {

/// How many heads of q share one of k and v.
int64_t group_of(const char* op, const Tensor& q, const Tensor& k, bool grouped) {
  if (!grouped) return 1;
  if (q.rank() < 3 || k.rank() < 3 || k.size(-3) == 0 || q.size(-3) % k.size(-3) != 0) {
    fail(op,
         ": wanted q [..., H, Tq, d] with a multiple of the heads of k [..., Hk, Tk, d], as it is"
         " grouped; got q ",
         q.shape(), " and k ", k.shape());
  }
  return q.size(-3) / k.size(-3);
}

/// x's, as if each matrix of the last stood there so many times.
Shape leading_axes(const Tensor& x, int64_t group) {
  Shape leading = rapt::leading_axes(x);
  if (group > 1) leading.back() *= group;
  return leading;
}

Shape batch_of(const char* op, const Tensor& q, const Tensor& k, int64_t group) {
  if (q.size(-1) != k.size(-1)) {
    fail(op, ": wanted q [..., Tq, d] and k [..., Tk, d]; got q ", q.shape(), " and k ", k.shape());
  }
  return broadcast(op, leading_axes(q), leading_axes(k, group));
}

Shape batch_of(const char* op, const Tensor& q, const Tensor& k, const Tensor& v, int64_t group) {
  const Shape batch = batch_of(op, q, k, group);
  require_same_dtype(op, q, v);
  if (v.rank() < 2 || v.size(-2) != k.size(-2)) {
    fail(op, ": wanted v [..., Tk, dv] for k ", k.shape(), "; got ", v.shape());
  }
  if (group > 1 && (v.rank() < 3 || v.size(-3) != k.size(-3))) {
    fail(op, ": wanted v with the heads of k ", k.shape(), "; got ", v.shape());
  }
  return broadcast(op, batch, leading_axes(v, group));
}

void check_dropout(const char* op, const AttentionOptions& options) {
  if (!(options.dropout >= 0 && options.dropout < 1)) {
    fail(op, ": wanted 0 <= dropout < 1; got ", options.dropout);
  }
  if (options.dropout > 0 && options.rng == nullptr) fail(op, ": wanted an rng for its dropout");
}

std::shared_ptr<const AttentionProblem> problem_of(const char* op, const Shape& batch,
                                                   const Tensor& q, const Tensor& k,
                                                   const AttentionOptions& options, int64_t group) {
  check_dropout(op, options);
  const auto problem =
      std::allocate_shared<AttentionProblem>(PoolAllocator<AttentionProblem>(), op, batch,
                                             q.size(-2), k.size(-2), options.mask, q.dtype());
  problem->group = group;
  problem->set_score(options.score, q.size(-1), q.dtype());
  problem->set_sink(options.sink, q.dtype());
  return problem;
}

/// Matrices that are not set yet, [batch..., rows, columns], laid out as `like`.
Tensor empty_matrices(const Tensor& like, const Shape& batch, int64_t rows, int64_t columns) {
  return empty_like(like, matrices_shape(batch, rows, columns));
}

/// The same of what was added, or its gradient x. A relative one is read along its diagonals:
/// element [i, j] lies at queries - 1 + j - i.
template <class T>
kernels::Matrices<T> along_scores(T* data, const Tensor& x, const AttentionProblem::Added& added,
                                  const AttentionProblem& p) {
  if (!added.is_relative) return stretched(data, x, p.batch);
  const int64_t step = x.strides().back();
  return {{data + std::max<int64_t>(p.queries - 1, 0) * step, -step, step},
          batch_strides(unsqueeze(x.detach(), -2), p.batch)};
}

/// Of one call: what its kernels read.
struct Inputs {
  std::shared_ptr<const AttentionProblem> problem;
  Tensor q, k, v;  // with dense columns; k perhaps with dense rows
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
    a.q = read_matrices<T>(q, p.batch);
    a.k = read_matrices<T>(k, p.batch, p.group);
    a.v = read_matrices<T>(v, p.batch, p.group);
    a.spans = p.spans();
    for (const Tensor& may : p.allowed) {
      a.may_attend.push_back(stretched<const bool>(may.data<bool>(), may, p.batch));
    }
    for (const AttentionProblem::Added& plus : p.added) {
      a.added.push_back(along_scores<const T>(plus.tensor.data<T>(), plus.tensor, plus, p));
    }
    if (p.sink.defined()) {
      a.sink = kernels::Matrices<const T>{{p.sink.data<T>(), 0, 0}, strides_along(p.sink, p.batch)};
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

  /// Of the problem's inputs.
  Gradients gradients(const Backward& b) const {
    const AttentionProblem& p = *in.problem;
    const Tensor g = with_dense_columns(b.grad), out = b.output().detach();
    Gradients all = {empty_matrices(in.q, p.batch, p.queries, in.q.size(-1)),
                     empty_matrices(in.k, p.batch, p.keys, in.k.size(-1)),
                     empty_matrices(in.v, p.batch, p.keys, in.v.size(-1))};
    visit_float(g.dtype(), [&](auto zero) {
      using T = decltype(zero);
      const kernels::Attention<T> a = in.as<T>();
      kernels::attention_backward(a, read_matrices<T>(out, p.batch), read_matrices<T>(g, p.batch),
                                  softmax<T>(), write_matrices<T>(all[0], p.batch),
                                  write_matrices<T>(all[1], p.batch),
                                  write_matrices<T>(all[2], p.batch));
      for (size_t i = 0; i < p.added.size(); ++i) {
        all.emplace_back();
        if (!b.needs(p.added_at(i))) continue;
        const Tensor to = all.back() = zeros(p.added[i].tensor.shape(), g.dtype());
        kernels::attention_added_backward(a, read_matrices<T>(out, p.batch),
                                          read_matrices<T>(g, p.batch), softmax<T>(),
                                          along_scores(fresh_data<T>(to), to, p.added[i], p));
      }
    });
    if (p.sink.defined()) all.push_back(sink_gradient(out, g));
    for (size_t i : {1, 2}) all[i] = sum_of_groups(all[i]);
    return all;
  }

  /// From a gradient for each head of q to one for each of k and v.
  Tensor sum_of_groups(const Tensor& x) const {
    const int64_t group = in.problem->group;
    if (group == 1) return x;
    Shape apart = x.shape();
    const int64_t heads = x.rank() - 3;
    apart[heads] /= group;
    apart.insert(heads + 1, group);
    return sum(reshape(x, apart), heads + 1);
  }

  /// [batch...]: - sum_i p_i (g_i . out_i), where p_i is the weight that went to the sink.
  Tensor sink_gradient(const Tensor& out, const Tensor& g) const {
    const AttentionProblem& p = *in.problem;
    Shape rows = p.batch;
    rows.push_back(p.queries);
    const Tensor to_sink = exp(unsqueeze(p.sink.detach(), -1) - reshape(shift, rows));
    const Tensor each = to_sink * reshape(factor, rows) * sum(g * out, -1);
    return -sum(where(equal(reshape(factor, rows), 0), 0, each), -1);  // 0 * NaN is NaN
  }
};

}  // namespace

Tensor attention_weights(const Tensor& given_q, const Tensor& given_k,
                         const AttentionOptions& options) {
  constexpr const char* op = "attention_weights";
  const auto [q, k] = AttentionProblem::prepared(op, options.score, given_q, given_k);
  const int64_t group = group_of(op, q, k, options.grouped);
  const auto p = problem_of(op, batch_of(op, q, k, group), q, k, options, group);
  return attention_weights_in_ops(*p, p->inputs(q, k, Tensor()));
}

Tensor attention(const Tensor& given_q, const Tensor& given_k, const Tensor& v,
                 const AttentionOptions& options) {
  constexpr const char* op = "attention";
  const auto [q, k] = AttentionProblem::prepared(op, options.score, given_q, given_k);
  const int64_t group = group_of(op, q, k, options.grouped);
  const auto p = problem_of(op, batch_of(op, q, k, v, group), q, k, options, group);
  const int64_t entries = p->batch.numel();
  WeightDropout dropout{options.dropout};
  if (dropout.p > 0) {
    dropout.draws =
        options.rng->take(kernels::attention_dropout_blocks(entries, p->queries, p->keys));
  }
  if (p->needs_ops()) return attention_in_ops(p, p->inputs(q, k, v), dropout);

  const Tensors inputs =
      p->inputs(with_dense_columns(q), with_dense_keys(k), with_dense_columns(v));
  Kept kept{{p, inputs[0].detach(), inputs[1].detach(), inputs[2].detach(), dropout},
            empty({entries, p->queries}, q.dtype()),
            empty({entries, p->queries}, q.dtype())};
  const Tensor y = empty_matrices(q, p->batch, p->queries, v.size(-1));
  visit_float(q.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::attention(kept.in.as<T>(), write_matrices<T>(y, p->batch),
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
