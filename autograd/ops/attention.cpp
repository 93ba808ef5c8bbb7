#include "rapt/autograd/kernels/attention/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/checks.h"
#include "rapt/autograd/ops/layout.h"

namespace rapt {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Shape leading(const Tensor& x) { return Shape(x.shape().begin(), x.shape().end() - 2); }

/// Lengths, and the settings with their defaults filled in.
struct Setup {
  Shape batch;
  int64_t queries, keys, width;
  Tensor mask;
  bool causal;
  double scale;
};

Setup set_up(const char* op, const Tensor& q, const Tensor& k, const AttentionOptions& options) {
  require_float(op, "q", q);
  require_same_dtype(op, q, k);
  if (q.rank() < 2 || k.rank() < 2 || q.size(-1) != k.size(-1)) {
    fail(op, ": wanted q [..., Tq, d] and k [..., Tk, d]; got q ", q.shape(), " and k ", k.shape());
  }
  Setup s{broadcast(op, leading(q), leading(k)),
          q.size(-2),
          k.size(-2),
          q.size(-1),
          options.mask,
          options.causal,
          options.scale};
  if (s.scale == 0) s.scale = 1 / std::sqrt(static_cast<double>(std::max<int64_t>(s.width, 1)));
  if (!(options.dropout >= 0 && options.dropout < 1)) {
    fail(op, ": wanted 0 <= dropout < 1; got ", options.dropout);
  }
  if (options.dropout > 0 && options.rng == nullptr) fail(op, ": wanted an rng for its dropout");
  if (!s.mask.defined()) return s;
  if (s.mask.dtype() != Dtype::b8 && s.mask.dtype() != q.dtype()) {
    fail(op, ": wanted a mask of b8 (true = may attend) or ", q.dtype(), " (added); got ",
         s.mask.dtype());
  }
  Shape full = s.batch;
  full.push_back(s.queries);
  full.push_back(s.keys);
  if (!broadcasts_to(s.mask.shape(), full)) {
    fail(op, ": wanted a mask that broadcasts to [..., Tq, Tk] = ", full, "; got ", s.mask.shape());
  }
  return s;
}

/// b8 [Tq, Tk]: true where a key comes too late for its query.
Tensor too_late(int64_t queries, int64_t keys) {
  const Tensor out = empty({queries, keys}, Dtype::b8);
  bool* at = fresh_data<bool>(out);
  for (int64_t i = 0; i < queries; ++i) {
    for (int64_t j = 0; j < keys; ++j) *at++ = j > i + keys - queries;
  }
  return out;
}

/// b8, broadcast to [..., Tq, Tk]: true where a query is kept from a key; undefined if none is.
Tensor masked_pairs(const Setup& s) {
  Tensor masked;
  if (s.mask.defined() && s.mask.dtype() == Dtype::b8) masked = logical_not(s.mask);
  if (s.mask.defined() && s.mask.dtype() != Dtype::b8) {
    masked = equal(s.mask.detach(), full({}, -infinity, s.mask.dtype()));
  }
  if (!s.causal) return masked;
  const Tensor late = too_late(s.queries, s.keys);
  return masked.defined() ? logical_or(masked, late) : late;
}

bool all_finite(const Tensor& x) {
  const Tensor finite = is_finite(x.detach()).contiguous();
  const bool* at = finite.data<bool>();
  return std::all_of(at, at + finite.numel(), [](bool b) { return b; });
}

/// sum over the last axis of a [..., Tq or 1, Tk or 1, n] and b, where what is masked has no say: 0
/// * NaN would be NaN. Stores Tq x Tk x n elements: for numbers that are not finite.
Tensor product_of_seen(const Tensor& a, const Tensor& b, const Tensor& masked, int64_t summed) {
  const Tensor out = unsqueeze(masked, -1);
  const auto seen = [&](const Tensor& x) {
    return masked_fill(expand(x, broadcast("attention", x.shape(), out.shape())), out, 0);
  };
  return sum(seen(a) * seen(b), {summed});
}

/// The weights in plain ops: [..., Tq, Tk]. finite: all numbers are, so that products serve.
Tensor weights_definition(const Setup& s, const Tensor& q, const Tensor& k, bool finite) {
  const Tensor masked = masked_pairs(s);
  Tensor scores = finite || !masked.defined()
                      ? matmul(q, transpose(k))
                      : product_of_seen(unsqueeze(q, -2), unsqueeze(k, -3), masked, -1);
  scores = scores * s.scale;
  if (s.mask.defined() && s.mask.dtype() != Dtype::b8) scores = scores + s.mask;
  if (!masked.defined()) return softmax(scores);
  const Shape full_shape = broadcast("attention", scores.shape(), masked.shape());
  return softmax(masked_fill(expand(scores, full_shape), masked, -infinity));
}

/// A tensor that is not set yet, [batch..., rows, columns], laid out as `like`.
Tensor empty_like(const Tensor& like, const Shape& batch, int64_t rows, int64_t columns) {
  Shape shape = batch;
  shape.push_back(rows);
  shape.push_back(columns);
  return rapt::empty_like(like, shape);
}

Tensor readable(const Tensor& x) {
  const int64_t last = x.rank() - 1;
  const bool fits = x.strides()[last] == 1 && x.strides()[last - 1] >= x.size(-1);
  return fits ? x.detach() : x.detach().contiguous();
}

/// x's last two axes as matrices along `batch`, which its other axes broadcast to.
template <class T>
kernels::Matrices<T> matrices(T* data, const Tensor& x, const Shape& batch) {
  const auto stride = [&](int64_t axis) {  // counted from the last
    const int64_t own = x.rank() - axis;
    return own < 0 || x.shape()[own] == 1 ? 0 : x.strides()[own];
  };
  Strides steps = filled<Strides>(batch.rank(), 0);
  for (int64_t i = 0; i < batch.rank(); ++i) steps[i] = stride(batch.rank() - i + 2);
  // A single row or column has no stride of its own; BLAS still wants a plausible one.
  const int64_t row =
      x.rank() >= 2 && x.size(-2) > 1 ? stride(2) : (x.rank() >= 1 ? x.size(-1) : 1);
  return {{data, row, x.rank() >= 1 && x.size(-1) > 1 ? stride(1) : 1}, steps};
}

template <class T>
kernels::Matrices<const T> read(const Tensor& x, const Shape& batch) {
  return matrices<const T>(x.data<T>(), x, batch);
}

template <class T>
kernels::Matrices<T> write(const Tensor& x, const Shape& batch) {
  return matrices<T>(fresh_data<T>(x), x, batch);
}

/// A mask is read element by element: any strides will do, 0 where it is stretched.
template <class T>
kernels::Matrices<const T> read_mask(const Tensor& mask, const Shape& batch) {
  const auto stride = [&](int64_t axis) -> int64_t {
    const int64_t own = mask.rank() - axis;
    return own < 0 || mask.shape()[own] == 1 ? 0 : mask.strides()[own];
  };
  kernels::Matrices<const T> out{{mask.data<T>(), stride(2), stride(1)}, {}};
  for (int64_t i = 0; i < batch.rank(); ++i) out.batch.push_back(stride(batch.rank() - i + 2));
  return out;
}

template <class T>
kernels::Attention<T> problem(const Setup& s, const Tensor& q, const Tensor& k, const Tensor& v,
                              double dropout, PhiloxKey draws) {
  kernels::Attention<T> a{};
  a.batch = s.batch;
  a.queries = s.queries;
  a.keys = s.keys;
  a.width = s.width;
  a.value_width = v.size(-1);
  a.q = read<T>(q, s.batch);
  a.k = read<T>(k, s.batch);
  a.v = read<T>(v, s.batch);
  if (s.mask.defined() && s.mask.dtype() == Dtype::b8) {
    a.may_attend = read_mask<bool>(s.mask, s.batch);
  } else if (s.mask.defined()) {
    a.added = read_mask<T>(s.mask, s.batch);
  }
  a.causal = s.causal;
  a.scale = static_cast<T>(s.scale);
  a.dropout = dropout;
  a.draws = draws;
  return a;
}

}  // namespace

Tensor attention_weights(const Tensor& q, const Tensor& k, const AttentionOptions& options) {
  const Setup s = set_up("attention_weights", q, k, options);
  return weights_definition(s, q, k, all_finite(q) && all_finite(k));
}

Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const AttentionOptions& options) {
  constexpr const char* op = "scaled_dot_product_attention";
  Setup s = set_up(op, q, k, options);
  require_same_dtype(op, q, v);
  if (v.rank() < 2 || v.size(-2) != s.keys) {
    fail(op, ": wanted v [..., Tk, dv] for k ", k.shape(), "; got ", v.shape());
  }
  s.batch = broadcast(op, s.batch, leading(v));
  const double p = options.dropout;
  const int64_t batches = s.batch.numel();
  const PhiloxKey draws =
      p > 0 ? options.rng->take(kernels::attention_dropout_blocks(batches, s.queries, s.keys))
            : PhiloxKey{};
  // `others`: what else the products of its gradient meet is finite.
  const auto definition = [s, p, draws, batches](const Tensors& in, bool others) {
    const bool finite = others && all_finite(in[0]) && all_finite(in[1]) && all_finite(in[2]);
    Tensor weights = weights_definition(s, in[0], in[1], finite);
    if (p > 0) {
      Shape full = s.batch;
      full.push_back(s.queries);
      full.push_back(s.keys);
      const Tensor keep = empty(full, weights.dtype());
      visit_float(keep.dtype(), [&](auto zero) {
        using T = decltype(zero);
        kernels::attention_dropout(batches, s.queries, s.keys, p, draws, fresh_data<T>(keep));
      });
      weights = weights * keep;
    }
    const Tensor masked = masked_pairs(s);
    if (finite || !masked.defined()) return matmul(weights, in[2]);
    return product_of_seen(unsqueeze(weights, -1), unsqueeze(in[2], -3), masked, -2);
  };
  // The kernels take a mask as a constant.
  if (s.mask.defined() && s.mask.requires_grad() && grad_enabled())
    return definition({q, k, v}, true);

  const Tensor qr = readable(q), kr = readable(k), vr = readable(v);
  const Tensor y = empty_like(q, s.batch, s.queries, v.size(-1));
  const Tensor shift = empty({batches, s.queries}, q.dtype());
  const Tensor factor = empty({batches, s.queries}, q.dtype());
  visit_float(q.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::attention(problem<T>(s, qr, kr, vr, p, draws), write<T>(y, s.batch),
                       {fresh_data<T>(shift), fresh_data<T>(factor)});
  });
  return join_graph(
      op, {q, k, v}, y,
      [s, q, k, v, qr, kr, vr, shift, factor, p, draws,
       definition](const Backward& b) -> Gradients {
        if (b.create_graph) {
          const bool finite = all_finite(b.grad);
          return differentiate([&](const Tensors& in) { return definition(in, finite); }, {q, k, v},
                               b);
        }
        const Tensor g = readable(b.grad), out = b.output().detach();
        const Tensor dq = empty_like(qr, s.batch, s.queries, s.width);
        const Tensor dk = empty_like(kr, s.batch, s.keys, s.width);
        const Tensor dv = empty_like(vr, s.batch, s.keys, vr.size(-1));
        visit_float(g.dtype(), [&](auto zero) {
          using T = decltype(zero);
          kernels::attention_backward(problem<T>(s, qr, kr, vr, p, draws), read<T>(out, s.batch),
                                      read<T>(g, s.batch), {shift.data<T>(), factor.data<T>()},
                                      write<T>(dq, s.batch), write<T>(dk, s.batch),
                                      write<T>(dv, s.batch));
        });
        return {dq, dk, dv};
      },
      {.keep_output = true, .broadcasts = true});
}

}  // namespace rapt
