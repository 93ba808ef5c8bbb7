#include "rapt/autograd/attention/detail/problem.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/layout.h"

namespace rapt {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// The element that is smallest, and the largest; {0, 0} of none.
std::pair<int64_t, int64_t> range_of(const Tensor& integers) {
  const int64_t* at = integers.data<int64_t>();
  const auto [least, most] = std::minmax_element(at, at + integers.numel());
  return integers.numel() == 0 ? std::pair<int64_t, int64_t>{0, 0} : std::pair{*least, *most};
}

/// [..., Tq or 1, Tk or 1]: along one axis, the part; all of a stretched one.
Tensor part_along(const Tensor& x, int64_t axis, int64_t begin, int64_t count) {
  if (x.rank() < -axis || x.size(axis) == 1) return x;
  return begin == 0 && count == x.size(axis) ? x : slice(x, axis, begin, begin + count);
}

AttentionBlock shown(const AttentionProblem& p, const AttentionProblem::Block& b) {
  return {unsqueeze(arange(b.row, b.row + b.rows), 1), unsqueeze(arange(b.key, b.key + b.keys), 0),
          p.queries, p.keys};
}

}  // namespace

Tensor part_of(const Tensor& x, const AttentionProblem::Block& block) {
  return part_along(part_along(x, -2, block.row, block.rows), -1, block.key, block.keys);
}

AttentionProblem::AttentionProblem(const char* function, const Shape& entries, int64_t query_count,
                                   int64_t key_count, const Mask& mask, std::optional<Dtype> dtype)
    : op(function), batch(entries), queries(query_count), keys(key_count) {
  if (mask.is_empty()) return;
  for (const Mask::Part& part : mask.parts_->all) add(part, dtype);
}

void AttentionProblem::set_score(const Score& score, int64_t width) {
  scale = 1 / std::sqrt(static_cast<double>(std::max<int64_t>(width, 1)));
  if (!score.state_) return;
  scale = score.state_->dot.scale.value_or(scale);
  soft_cap = score.state_->dot.soft_cap;
  score_functions_ = score.state_->functions;
}

Shape AttentionProblem::full_shape() const { return matrices_shape(batch, queries, keys); }

void AttentionProblem::add(const Mask::Part& part, std::optional<Dtype> dtype) {
  switch (part.kind) {
    case Mask::Part::Kind::band: {
      const int64_t offset = part.align == Mask::Align::last ? keys - queries : 0;
      Band band{offset - part.before, offset + part.after, {}};
      if (part.tensor.defined()) band.prefix = for_each_entry(part.tensor);
      bands_.push_back(band);
      return;
    }
    case Mask::Part::Kind::lengths: {
      const Tensor own = for_each_entry(part.tensor);
      if (range_of(own).second > keys) {
        fail(op, ": wanted lengths in [0, ", keys, "], the number of keys; got ",
             range_of(own).second);
      }
      const NoGrad no_grad;
      lengths_ = lengths_.defined() ? minimum(lengths_, own) : own;
      return;
    }
    case Mask::Part::Kind::tensor:
      return add_tensor(part.tensor, dtype);
    case Mask::Part::Kind::function:
      mask_functions_.push_back(part.f);
      return;
  }
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
  (is_b8 ? allowed : added).push_back(tensor);
}

/// i64 [entries of the batch], from lengths of its first axes.
Tensor AttentionProblem::for_each_entry(const Tensor& lengths) const {
  Shape shape = lengths.shape();
  while (shape.rank() < batch.rank()) shape.push_back(1);
  if (lengths.rank() > batch.rank() || !broadcasts_to(shape, batch)) {
    fail(op, ": wanted lengths of the first axes of the batch, ", batch, "; got ", lengths.shape());
  }
  const NoGrad no_grad;
  const Tensor all = reshape(expand(reshape(lengths, shape), batch), {-1}).clone();
  if (range_of(all).first < 0) fail(op, ": wanted lengths >= 0; got ", range_of(all).first);
  return all;
}

kernels::KeySpans AttentionProblem::spans() const {
  kernels::KeySpans out;
  for (const Band& band : bands_) {
    out.lower = std::max(out.lower, band.lower);
    if (band.prefix.defined()) {
      out.prefixes.push_back({band.diagonal, band.prefix.data<int64_t>()});
    } else {
      out.upper = std::min(out.upper, band.diagonal);
    }
  }
  if (lengths_.defined()) out.lengths = lengths_.data<int64_t>();
  return out;
}

AttentionProblem::Block AttentionProblem::of_rows(int64_t row, int64_t rows) const {
  const kernels::KeySpans all = spans();
  const int64_t entries = batch.numel();
  if (rows == 0 || entries == 0) return {row, rows, 0, keys};
  int64_t begin = keys, end = 0;
  for (int64_t entry = 0; entry < entries; ++entry) {
    const kernels::KeySpansOf spans(all, entry, keys);
    begin = std::min(begin, spans(row).begin);
    end = std::max(end, spans(row + rows - 1).end);
  }
  begin = std::min(begin, end);
  return {row, rows, begin, end - begin};
}

/// b8 [rows, keys], or [batch..., rows, keys] where entries differ.
Tensor AttentionProblem::outside_spans(const Block& block) const {
  const kernels::KeySpans all = spans();
  const bool differ = lengths_.defined() || std::any_of(bands_.begin(), bands_.end(),
                                                        [](auto& b) { return b.prefix.defined(); });
  const Tensor out =
      empty(matrices_shape(differ ? batch : Shape{}, block.rows, block.keys), Dtype::b8);
  bool* at = fresh_data<bool>(out);
  for (int64_t entry = 0; entry < (differ ? batch.numel() : 1); ++entry) {
    const kernels::KeySpansOf spans(all, entry, keys);
    for (int64_t i = 0; i < block.rows; ++i) {
      const kernels::KeySpan span = spans(block.row + i);
      for (int64_t j = 0; j < block.keys; ++j) {
        *at++ = block.key + j < span.begin || block.key + j >= span.end;
      }
    }
  }
  return out;
}

Tensor AttentionProblem::masked(const Block& block) const {
  Tensor masked;
  const auto join = [&](const Tensor& x) { masked = masked.defined() ? logical_or(masked, x) : x; };
  if (lengths_.defined() || !bands_.empty()) join(outside_spans(block));
  for (const Tensor& may : allowed) join(logical_not(part_of(may, block)));
  for (const Tensor& plus : added) {
    join(equal(part_of(plus.detach(), block), full({}, -infinity, plus.dtype())));
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
  return masked;
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

}  // namespace rapt
