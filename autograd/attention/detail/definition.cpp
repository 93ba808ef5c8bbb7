#include "rapt/autograd/attention/detail/definition.h"

#include <algorithm>
#include <limits>

#include "rapt/autograd/attention/detail/additive.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/layout.h"
#include "rapt/autograd/recompute.h"
#include "rapt/autograd/record.h"

namespace rapt {
namespace {

using Block = AttentionProblem::Block;

// Weights that are worked on at a time, over all entries of the batch: a few MB.
constexpr int64_t weights_at_once = int64_t{1} << 20;

bool all_true(const Tensor& x) {
  const Tensor dense = x.contiguous();
  const bool* at = dense.data<bool>();
  return std::all_of(at, at + dense.numel(), [](bool b) { return b; });
}

/// True when no element is inf or NaN.
bool all_finite(const Tensor& x) { return all_true(isfinite(x.detach())); }

Tensor rows_of(const Tensor& x, int64_t begin, int64_t count) {
  return begin == 0 && count == x.size(-2) ? x : slice(x, -2, begin, begin + count);
}

/// x, 0 where it is masked, in the shape of both.
Tensor without_masked(const Tensor& x, const Tensor& masked) {
  const Shape both = broadcast("attention", x.shape(), masked.shape());
  return masked_fill(expand(x, both), expand(masked, both), 0);
}

/// a b, [..., m, k] x [..., k, n], where a masked element of a has no say, though it meets inf or
/// NaN: 0 * NaN would be NaN. To the bit a b for the rows that see nothing of the kind. Those that
/// do take m x k x n elements.
Tensor product_of_seen(const Tensor& a, const Tensor& b, const Tensor& masked) {
  if (all_finite(a) && all_finite(b)) return matmul(a, b);
  const Tensor seen = without_masked(a, masked);
  const Tensor bad = logical_not(isfinite(b.detach()));  // [..., k, n]
  const Tensor plain = matmul(seen, masked_fill(b, bad, 0));
  const Tensor meets_bad = logical_and(logical_not(masked), unsqueeze(any(bad, {-1}), -2));
  const Tensor rows = unsqueeze(any(meets_bad, {-1}), -1);  // [..., m, 1]
  if (all_true(logical_not(rows))) return plain;
  const Tensor factors = without_masked(unsqueeze(b, -3), unsqueeze(masked, -1));
  const Tensor products = unsqueeze(seen, -1) * factors;  // [..., m, k, n]
  return where(rows, sum(products, {-2}), plain);
}

/// Keys or values [..., heads, T, d], each head as many times as there are queries that share it.
Tensor for_each_query_head(const AttentionProblem& p, const Tensor& x) {
  if (p.group == 1) return x;
  Shape apart = x.shape(), joined = x.shape();
  const int64_t heads = x.rank() - 3;
  joined[heads] *= p.group;
  apart.insert(heads + 1, p.group);
  return reshape(expand(unsqueeze(x, heads + 1), apart), joined);
}

Tensor products_of(const AttentionProblem& p, const Block& block, const Tensors& in,
                   const Tensor& masked) {
  const Tensor q = rows_of(in[0], block.row, block.rows);
  const Tensor k = for_each_query_head(p, rows_of(in[1], block.key, block.keys));
  if (p.weight.defined()) return additive_scores(p.op, q, k, in[p.weight_at()], masked);
  if (!masked.defined() || (all_finite(q) && all_finite(k))) return matmul(q, transpose(k));
  return record(
      p.op, {q, k}, [&] { return matmul(q, transpose(k)); },
      [q, k, masked](const Backward& b) -> Gradients {
        const Tensor of_key = transpose(masked);
        return {b.needs(0) ? product_of_seen(b.grad, k, masked) : Tensor(),
                b.needs(1) ? product_of_seen(transpose(b.grad), q, of_key) : Tensor()};
      },
      {.broadcasts = true});
}

/// softmax of scores [..., rows, keys]; with a sink [...] in its sum, if there is one.
Tensor softmax_beside(const Tensor& scores, const Tensor& sink) {
  if (!sink.defined()) return softmax(scores);
  const Shape batch = broadcast("attention", leading_axes(scores), sink.shape());
  const int64_t rows = scores.size(-2), keys = scores.size(-1);
  const Tensor beside = unsqueeze(unsqueeze(sink, -1), -1);
  const Tensor all = concat({expand(scores, matrices_shape(batch, rows, keys)),
                             expand(beside, matrices_shape(batch, rows, 1))},
                            -1);
  return slice(softmax(all), -1, 0, keys);
}

Tensor weights_of(const AttentionProblem& p, const Block& block, const Tensors& in,
                  const Tensor& masked) {
  Tensor scores = products_of(p, block, in, masked) * p.scale;
  if (p.soft_cap) scores = tanh(scores / *p.soft_cap) * *p.soft_cap;
  if (p.has_functions() && masked.defined()) {  // a slope of NaN there goes no further
    scores = masked_fill(scores, masked, 0);
  }
  scores = p.through_functions(scores, block);
  for (size_t i = 0; i < p.added.size(); ++i) {
    scores = scores + p.part_of_added(i, in[p.added_at(i)], block);
  }
  const Tensor sink = p.sink.defined() ? in[p.sink_at()] : Tensor();
  if (!masked.defined()) return softmax_beside(scores, sink);
  const Shape full_shape = broadcast("attention", scores.shape(), masked.shape());
  const double infinity = std::numeric_limits<double>::infinity();
  return softmax_beside(masked_fill(expand(scores, full_shape), masked, -infinity), sink);
}

/// [batch..., rows, keys]: 0 or 1 / (1 - p).
Tensor kept_weights(const AttentionProblem& p, const Block& block, const WeightDropout& dropout,
                    Dtype dtype) {
  const Tensor keep = empty(matrices_shape(p.batch, block.rows, p.keys), dtype);
  visit_float(dtype, [&](auto zero) {
    using T = decltype(zero);
    kernels::attention_dropout(p.batch.numel(), p.queries, p.keys, block.row, block.rows, dropout.p,
                               dropout.draws, fresh_data<T>(keep));
  });
  return slice(keep, -1, block.key, block.key + block.keys);
}

/// weights v, [..., rows, keys] x [..., keys, dv], where a masked weight has no say, whatever is
/// not finite in v or arrives.
Tensor weigh(const char* op, const Tensor& weights, const Tensor& v, const Tensor& masked) {
  if (!masked.defined()) return matmul(weights, v);
  return record(
      op, {weights, v}, [&] { return product_of_seen(weights, v, masked); },
      [weights, v, masked](const Backward& b) -> Gradients {
        Gradients all(2);
        if (b.needs(0)) {
          const Tensor dw = matmul(b.grad, transpose(v));
          all[0] = all_finite(dw) ? dw : without_masked(dw, masked);
        }
        if (b.needs(1)) {
          all[1] = product_of_seen(transpose(weights), b.grad, transpose(masked));
        }
        return all;
      },
      {.broadcasts = true});
}

Tensor attention_of(const AttentionProblem& p, const Block& block, const Tensors& in,
                    const WeightDropout& dropout) {
  const Tensor masked = p.masked(block);
  Tensor weights = weights_of(p, block, in, masked);
  if (dropout.p > 0) weights = weights * kept_weights(p, block, dropout, weights.dtype());
  const Tensor v = for_each_query_head(p, rows_of(in[2], block.key, block.keys));
  return weigh(p.op, weights, v, masked);
}

}  // namespace

Tensor attention_weights_in_ops(const AttentionProblem& p, const Tensors& in) {
  return weights_of(p, p.whole(), in, p.masked(p.whole()));
}

Tensor attention_in_ops(const std::shared_ptr<const AttentionProblem>& p, const Tensors& in,
                        const WeightDropout& dropout) {
  const int64_t row = std::max<int64_t>(p->batch.numel() * p->keys, 1);  // weights of a query
  const int64_t at_once =
      std::clamp<int64_t>(weights_at_once / row, 1, std::max<int64_t>(p->queries, 1));
  if (at_once >= p->queries) return attention_of(*p, p->whole(), in, dropout);
  Tensors parts;
  for (int64_t first = 0; first < p->queries; first += at_once) {
    const Block block = p->of_rows(first, std::min(at_once, p->queries - first));
    parts.push_back(recompute(
        [=](const Tensors& given) { return attention_of(*p, block, given, dropout); }, in));
  }
  return concat(parts, -2);
}

}  // namespace rapt
