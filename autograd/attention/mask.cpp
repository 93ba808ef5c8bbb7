#include "rapt/autograd/attention/mask.h"

#include "rapt/autograd/attention/detail/problem.h"
#include "rapt/autograd/kernels/gemm/gemm.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"

namespace rapt {
namespace {

constexpr int64_t unbounded = kernels::Band::unbounded;

void check_lengths(const char* function, const Tensor& lengths) {
  require_dtype(function, "lengths", lengths, Dtype::i64);
}

void check_tensor(const char* function, const Tensor& tensor) {
  if (tensor.dtype() != Dtype::i64) return;
  fail(function, ": wanted b8 (true = may attend), f32 or f64 (added to the scores); got i64",
       tensor.shape(), " (Mask::lengths takes lengths)");
}

}  // namespace

Mask::Mask(Part part) {
  const auto parts = std::allocate_shared<Parts>(PoolAllocator<Parts>());
  parts->all.push_back(std::move(part));
  parts_ = parts;
}

Mask::Mask(const Tensor& tensor) {
  if (!tensor.defined()) return;
  check_tensor("Mask", tensor);
  *this = Mask({.kind = Part::Kind::tensor, .tensor = tensor});
}

Mask Mask::keys(const Tensor& tensor) {
  if (!tensor.defined()) return {};
  check_tensor("Mask::keys", tensor);
  if (tensor.rank() < 1) fail("Mask::keys: wanted a tensor [..., Tk]; got a scalar");
  return Mask({.kind = Part::Kind::tensor_of_first_axes, .tensor = unsqueeze(tensor, -2)});
}

Mask Mask::pairs(const Tensor& tensor) {
  if (!tensor.defined()) return {};
  check_tensor("Mask::pairs", tensor);
  if (tensor.rank() < 2) fail("Mask::pairs: wanted a tensor [..., Tq, Tk]; got ", tensor.shape());
  return Mask({.kind = Part::Kind::tensor_of_first_axes, .tensor = tensor});
}

Mask Mask::causal(Align align) {
  return Mask({.kind = Part::Kind::band, .before = unbounded, .after = 0, .align = align});
}

Mask Mask::window(Int before, Int after, Align align) {
  if (before < 0 || after < 0) {
    fail("Mask::window: wanted before >= 0 and after >= 0; got ", before, " and ", after);
  }
  return Mask({.kind = Part::Kind::band,
               .before = std::min<int64_t>(before, unbounded),
               .after = std::min<int64_t>(after, unbounded),
               .align = align});
}

Mask Mask::lengths(const Tensor& lengths) {
  check_lengths("Mask::lengths", lengths);
  return Mask({.kind = Part::Kind::lengths, .tensor = lengths});
}

Mask Mask::prefix(Int length, Align align) {
  if (length < 0) fail("Mask::prefix: wanted a length >= 0; got ", length);
  return prefix(from_values<int64_t>({length}, {}), align);
}

Mask Mask::prefix(const Tensor& lengths, Align align) {
  check_lengths("Mask::prefix", lengths);
  return Mask({.kind = Part::Kind::band,
               .tensor = lengths,
               .before = unbounded,
               .after = 0,
               .align = align});
}

Mask Mask::documents(const Tensor& documents, Align align) {
  require_dtype("Mask::documents", "documents", documents, Dtype::i64);
  if (documents.rank() < 1) fail("Mask::documents: wanted documents [..., Tk]; got a scalar");
  return Mask({.kind = Part::Kind::documents, .tensor = documents, .align = align});
}

Mask Mask::of(Function f) {
  if (!f) fail("Mask::of: wanted a function; got an empty one");
  return Mask({.kind = Part::Kind::function,
               .f = std::allocate_shared<Function>(PoolAllocator<Function>(), std::move(f))});
}

Mask Mask::at(const Tensor& starts) const {
  require_dtype("Mask::at", "starts", starts, Dtype::i64);
  if (is_empty()) return *this;
  const auto parts = std::allocate_shared<Parts>(PoolAllocator<Parts>(), *parts_);
  for (Part& part : parts->all) part.starts = starts;
  Mask moved;
  moved.parts_ = parts;
  return moved;
}

Mask operator&(const Mask& a, const Mask& b) {
  if (a.is_empty()) return b;
  if (b.is_empty()) return a;
  const auto parts = std::allocate_shared<Mask::Parts>(PoolAllocator<Mask::Parts>(), *a.parts_);
  parts->all.insert(parts->all.end(), b.parts_->all.begin(), b.parts_->all.end());
  Mask both;
  both.parts_ = parts;
  return both;
}

Tensors Mask::tensors() const {
  Tensors tensors;
  if (is_empty()) return tensors;
  for (const Part& part : parts_->all) {
    if (part.kind == Part::Kind::tensor) tensors.push_back(part.tensor);
  }
  return tensors;
}

Tensor Mask::allowed(const Shape& batch, Int queries, Int keys) const {
  if (queries < 0 || keys < 0) {
    fail("Mask::allowed: wanted lengths >= 0; got ", queries, " queries and ", keys, " keys");
  }
  const AttentionProblem problem("Mask::allowed", batch, queries, keys, *this);
  const Shape shape = problem.full_shape();
  const Tensor masked = problem.masked(problem.whole());
  return masked.defined() ? expand(logical_not(masked), shape) : ones(shape, Dtype::b8);
}

}  // namespace rapt
