#include "rapt/autograd/attention/detail/problem.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/layout.h"
#include "rapt/autograd/ops/detail/unit_length.h"

namespace rapt {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// [..., Tq or 1, Tk or 1]: along one axis, the part; all of a stretched one.
Tensor part_along(const Tensor& x, int64_t axis, int64_t begin, int64_t count) {
  if (x.rank() < -axis || x.size(axis) == 1) return x;
  return begin == 0 && count == x.size(axis) ? x : slice(x, axis, begin, begin + count);
}

AttentionBlock shown(const AttentionProblem& p, const ScoreBlock& b) {
  return {unsqueeze(arange(b.row, b.row + b.rows), 1), unsqueeze(arange(b.key, b.key + b.keys), 0),
          p.queries, p.keys};
}

void require_score_dtype(const char* op, const char* what, const Tensor& x, Dtype dtype) {
  if (x.dtype() == dtype) return;
  fail(op, ": wanted the ", what, " in the dtype of q, ", dtype, "; got ", x.dtype(), x.shape());
}

}  // namespace

AttentionProblem::AttentionProblem(const char* function, const Shape& entries, int64_t query_count,
                                   int64_t key_count, const Mask& mask, std::optional<Dtype> dtype)
    : op(function),
      batch(entries),
      queries(query_count),
      keys(key_count),
      by_place_(function, entries, query_count, key_count) {
  if (mask.is_empty()) return;
  for (const Mask::Part& part : mask.parts_->all) add(part, dtype);
}

// ---- the score ---------------------------------------------------------------------------------

std::pair<Tensor, Tensor> AttentionProblem::prepared(const char* function, const Score& score,
                                                     const Tensor& q, const Tensor& k) {
  require_float(function, "q", q);
  require_same_dtype(function, q, k);
  if (q.rank() < 2 || k.rank() < 2) {
    fail(function, ": wanted q [..., Tq, d] and k [..., Tk, d]; got q ", q.shape(), " and k ",
         k.shape());
  }
  using Kind = Score::State::Kind;
  if (!score.state_ || score.state_->kind == Kind::dot) return {q, k};
  const Tensor& weight = score.state_->weight;
  if (weight.defined()) require_score_dtype(function, "score's weight", weight, q.dtype());
  switch (score.state_->kind) {
    case Kind::dot:
    case Kind::additive:
      break;
    case Kind::bilinear:
      if (weight.size(-2) != q.size(-1) || weight.size(-1) != k.size(-1)) {
        fail(function, ": wanted Score::bilinear's weight [..., ", q.size(-1), ", ", k.size(-1),
             "] for q ", q.shape(), " and k ", k.shape(), "; got ", weight.shape());
      }
      return {matmul(q, weight), k};
    case Kind::cosine: {
      const Tensor unit = at_unit_length(q);
      return {weight.defined() ? unit * weight : unit, at_unit_length(k)};
    }
  }
  return {q, k};
}

void AttentionProblem::set_score(const Score& score, int64_t width, Dtype dtype) {
  scale = 1 / std::sqrt(static_cast<double>(std::max<int64_t>(width, 1)));
  if (!score.state_) return;
  const Score::State& s = *score.state_;
  scale = s.options.scale.value_or(s.kind == Score::State::Kind::dot ? scale : 1);
  soft_cap = s.options.soft_cap;
  score_functions_ = s.functions;
  if (s.kind == Score::State::Kind::additive) {
    weight = s.weight;
    Shape all = batch;
    all.push_back(width);
    if (weight.size(-1) != width || !broadcasts_to(weight.shape(), all)) {
      fail(op, ": wanted Score::additive's weight to broadcast to ", all, "; got ", weight.shape());
    }
  }
  for (const Tensor& bias : s.biases) {
    require_score_dtype(op, "relative bias", bias, dtype);
    Shape all = batch;
    all.push_back(std::max<int64_t>(queries + keys - 1, 0));
    if (bias.size(-1) != all.back() || !broadcasts_to(bias.shape(), all)) {
      fail(op, ": wanted a relative bias [..., Tq + Tk - 1] that broadcasts to ", all, "; got ",
           bias.shape());
    }
    added.push_back({bias, true});
  }
}

void AttentionProblem::set_sink(const Tensor& given, Dtype dtype) {
  if (!given.defined()) return;
  require_score_dtype(op, "sink", given, dtype);
  if (!broadcasts_to(given.shape(), batch)) {
    fail(op, ": wanted a sink that broadcasts to the leading axes, ", batch, "; got ",
         given.shape());
  }
  sink = given;
}

Tensor AttentionProblem::through_functions(Tensor scores, const Block& block) const {
  for (const auto& f : score_functions_) {
    const Tensor changed = (*f)(scores, shown(*this, block));
    if (!changed.defined() || changed.shape() != scores.shape() ||
        changed.dtype() != scores.dtype()) {
      fail(op, ": wanted from Score::then's function scores ", scores.dtype(), scores.shape(),
           "; got ",
           changed.defined() ? text(changed.dtype(), changed.shape()) : "an undefined tensor");
    }
    scores = changed;
  }
  return scores;
}

// ---- the mask ----------------------------------------------------------------------------------

void AttentionProblem::add(const Mask::Part& part, std::optional<Dtype> dtype) {
  const SpanMask::Place first_query{part.align == Mask::Align::last ? keys - queries : 0,
                                    part.starts};
  switch (part.kind) {
    case Mask::Part::Kind::band:
      return by_place_.add_band(part.before, part.after, first_query, part.tensor);
    case Mask::Part::Kind::lengths:
      return by_place_.add_lengths(part.tensor);
    case Mask::Part::Kind::documents:
      return by_place_.add_documents(part.tensor, first_query);
    case Mask::Part::Kind::tensor:
      return add_tensor(part.tensor, dtype);
    case Mask::Part::Kind::tensor_of_first_axes:
      return add_tensor(with_first_axes(part.tensor), dtype);
    case Mask::Part::Kind::function:
      mask_functions_.push_back(part.f);
      return;
  }
}

/// [first axes of the batch..., Tq or 1, Tk or 1], with a 1 for each of the others.
Tensor AttentionProblem::with_first_axes(const Tensor& tensor) const {
  Shape shape = tensor.shape();
  const int64_t missing = batch.rank() + 2 - shape.rank();
  if (shape.rank() == 2 || missing <= 0) return tensor;
  for (int64_t i = 0; i < missing; ++i) shape.insert(shape.rank() - 2, 1);
  return reshape(tensor, shape);
}

void AttentionProblem::add_tensor(const Tensor& tensor, std::optional<Dtype> dtype) {
  const bool is_b8 = tensor.dtype() == Dtype::b8;
  if (!is_b8 && dtype && tensor.dtype() != *dtype) {
    fail(op, ": wanted a mask of b8 (true = may attend) or ", *dtype, " (added); got ",
         tensor.dtype());
  }
  if (!broadcasts_to(tensor.shape(), full_shape())) {
    fail(op, ": wanted a mask that broadcasts to [..., Tq, Tk] = ", full_shape(), "; got ",
         tensor.shape());
  }
  if (is_b8) {
    allowed.push_back(tensor);
  } else {
    added.push_back({tensor, false});
  }
}

Tensor AttentionProblem::masked(const Block& block) const {
  Tensor masked;
  const auto join = [&](const Tensor& x) { masked = masked.defined() ? logical_or(masked, x) : x; };
  const auto part_of = [&](const Tensor& x) {
    return part_along(part_along(x, -2, block.row, block.rows), -1, block.key, block.keys);
  };
  if (!by_place_.is_empty()) join(by_place_.outside(block));
  for (const Tensor& may : allowed) join(logical_not(part_of(may)));
  for (size_t i = 0; i < added.size(); ++i) {
    const Tensor plus = part_of_added(i, added[i].tensor.detach(), block);
    join(equal(plus, full({}, -infinity, plus.dtype())));
  }
  for (const auto& f : mask_functions_) {
    const Tensor may = (*f)(shown(*this, block));
    const Shape shape = matrices_shape(batch, block.rows, block.keys);
    if (!may.defined() || may.dtype() != Dtype::b8 || !broadcasts_to(may.shape(), shape)) {
      fail(op, ": wanted from Mask::of's function b8 that broadcasts to ", shape, "; got ",
           may.defined() ? text(may.dtype(), may.shape()) : "an undefined tensor");
    }
    join(logical_not(may));
  }
  if (!masked.defined() || masked.rank() >= 2) return masked;
  return reshape(masked, {1, masked.numel()});  // of the keys alone
}

// ---- both --------------------------------------------------------------------------------------

Tensors AttentionProblem::inputs(const Tensor& q, const Tensor& k, const Tensor& v) const {
  Tensors all = {q, k, v};
  for (const Added& one : added) all.push_back(one.tensor);
  if (sink.defined()) all.push_back(sink);
  if (weight.defined()) all.push_back(weight);
  return all;
}

Shape AttentionProblem::full_shape() const { return matrices_shape(batch, queries, keys); }

Tensor AttentionProblem::part_of_added(size_t i, const Tensor& x, const Block& block) const {
  if (!added[i].is_relative) {
    return part_along(part_along(x, -2, block.row, block.rows), -1, block.key, block.keys);
  }
  const AttentionBlock at = shown(*this, block);
  const Tensor places = at.keys - at.rows + (queries - 1);
  Shape shape = x.shape();
  shape.back() = block.rows;
  shape.push_back(block.keys);
  return reshape(index_select(x, -1, reshape(places, {-1})), shape);
}

}  // namespace rapt
