// Losses of rows, in plain ops: of classes, of distributions and of vectors.

#include <algorithm>
#include <cmath>

#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/fold.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/class_losses.h"
#include "rapt/autograd/ops/detail/unit_length.h"
#include "rapt/autograd/recompute.h"

namespace rapt {
namespace {

void require_rows(const char* op, const char* what, const Tensor& x) {
  require_float(op, what, x);
  if (x.rank() < 1) fail(op, ": wanted ", what, " [..., C]; got a scalar");
}

Loss over_rows(const Tensor& each) { return {sum(each), static_cast<double>(each.numel())}; }

// ---- classes -----------------------------------------------------------------------------------

Losses focal_losses(const char* op, const Tensor& logits, const Tensor& targets,
                    const FocalLossOptions& options) {
  if (!(options.gamma == 0 || options.gamma >= 1)) {
    fail(op, ": wanted gamma 0 or >= 1; got ", options.gamma);
  }
  require_rows(op, "logits", logits);
  const Tensor logs = log_softmax(logits);
  Losses losses = nll_losses(op, logs, targets, options.classes);
  if (options.gamma == 0) return losses;
  ClassificationOptions plain = options.classes;
  plain.class_weights = {};
  const Tensor surprise = options.classes.class_weights.defined()
                              ? nll_losses(op, logs, targets, plain).values
                              : losses.values;                            // -log p
  losses.values = pow(-expm1(-surprise), options.gamma) * losses.values;  // 1 - p
  return losses;
}

Tensor unlikelihood_losses(const char* op, const Tensor& logits, const Tensor& candidates,
                           const UnlikelihoodOptions& options) {
  require_rows(op, "logits", logits);
  require_dtype(op, "candidates", candidates, Dtype::i64);
  Shape rows = logits.shape();
  rows.pop_back();
  Shape given = candidates.shape();
  if (given.rank() > 0) given.pop_back();
  if (candidates.rank() == 0 || given != rows) {
    fail(op, ": wanted logits [..., C] and candidates [..., K]; got ", logits.shape(), " and ",
         candidates.shape());
  }
  const int64_t classes = logits.size(-1);
  const Tensor ignored = candidates == options.ignore_index;
  const Tensor outside =
      logical_and(logical_or(candidates < 0, candidates >= classes), logical_not(ignored));
  if (any(outside).item() != 0) {
    fail(op, ": wanted candidates in [0, ", classes, ") or ignore_index ", options.ignore_index,
         "; got ", masked_select(candidates, outside).data<int64_t>()[0]);
  }
  const Tensor p = gather(softmax(logits), -1, masked_fill(candidates, ignored, 0));
  return masked_fill(-log(maximum(1 - p, 1e-5)), ignored, 0);
}

Tensor z_losses(const char* op, const Tensor& logits) {
  require_rows(op, "logits", logits);
  return square(logsumexp(logits, {-1}));
}

// ---- distributions and vectors -----------------------------------------------------------------

Tensor kl_divs(const char* op, const Tensor& log_probabilities, const Tensor& target) {
  require_rows(op, "log_probabilities", log_probabilities);
  require_same_dtype(op, log_probabilities, target);
  if (log_probabilities.shape() != target.shape()) {
    fail(op, ": wanted two tensors of one shape; got ", log_probabilities.shape(), " and ",
         target.shape());
  }
  // Where the target is 0, neither its logarithm nor a probability of 0 has a say.
  const Tensor none = target == 0;
  const Tensor difference =
      log(masked_fill(target, none, 1)) - masked_fill(log_probabilities, none, 0);
  return sum(target * difference, {-1});
}

Tensor cosine_losses(const char* op, const Tensor& a, const Tensor& b, const Tensor& alike,
                     const CosineEmbeddingOptions& options) {
  require_rows(op, "a", a);
  require_same_dtype(op, a, b);
  require_dtype(op, "alike", alike, Dtype::b8);
  Shape rows = a.shape();
  rows.pop_back();
  if (a.shape() != b.shape() || alike.shape() != rows) {
    fail(op, ": wanted a and b [..., d] and alike [...]; got ", a.shape(), ", ", b.shape(), " and ",
         alike.shape());
  }
  if (!(std::abs(options.margin) <= 1)) {
    fail(op, ": wanted margin in [-1, 1]; got ", options.margin);
  }
  const Tensor cosine = sum(at_unit_length(a) * at_unit_length(b), {-1});
  return where(alike, 1 - cosine, relu(cosine - options.margin));
}

}  // namespace

Tensor focal_loss_each(const Tensor& logits, const Tensor& targets,
                       const FocalLossOptions& options) {
  return focal_losses("focal_loss_each", logits, targets, options).values;
}

Loss focal_loss(const Tensor& logits, const Tensor& targets, const FocalLossOptions& options) {
  const Losses each = focal_losses("focal_loss", logits, targets, options);
  return {sum(each.values), each.count};
}

Tensor unlikelihood_loss_each(const Tensor& logits, const Tensor& candidates,
                              const UnlikelihoodOptions& options) {
  return unlikelihood_losses("unlikelihood_loss_each", logits, candidates, options);
}

Loss unlikelihood_loss(const Tensor& logits, const Tensor& candidates,
                       const UnlikelihoodOptions& options) {
  const Tensor each = unlikelihood_losses("unlikelihood_loss", logits, candidates, options);
  return {sum(each), count_targets(candidates, {.ignore_index = options.ignore_index})};
}

Tensor z_loss_each(const Tensor& logits) { return z_losses("z_loss_each", logits); }

Loss z_loss(const Tensor& logits) { return over_rows(z_losses("z_loss", logits)); }

Tensor kl_div_loss_each(const Tensor& log_probabilities, const Tensor& target) {
  return kl_divs("kl_div_loss_each", log_probabilities, target);
}

Loss kl_div_loss(const Tensor& log_probabilities, const Tensor& target) {
  return over_rows(kl_divs("kl_div_loss", log_probabilities, target));
}

Tensor cosine_embedding_loss_each(const Tensor& a, const Tensor& b, const Tensor& alike,
                                  const CosineEmbeddingOptions& options) {
  return cosine_losses("cosine_embedding_loss_each", a, b, alike, options);
}

Loss cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& alike,
                           const CosineEmbeddingOptions& options) {
  return over_rows(cosine_losses("cosine_embedding_loss", a, b, alike, options));
}

Loss info_nce_loss(const Tensor& queries, const Tensor& keys, const InfoNceOptions& options) {
  constexpr const char* op = "info_nce_loss";
  require_float(op, "queries", queries);
  require_same_dtype(op, queries, keys);
  if (queries.rank() != 2 || queries.shape() != keys.shape()) {
    fail(op, ": wanted queries and keys [N, d]; got ", queries.shape(), " and ", keys.shape());
  }
  if (!(options.temperature > 0)) {
    fail(op, ": wanted temperature > 0; got ", options.temperature);
  }
  const Tensor scores =
      matmul(at_unit_length(queries), transpose(at_unit_length(keys))) / options.temperature;
  const Tensor own = arange(queries.size(0));
  Loss loss = cross_entropy(scores, own);
  if (options.symmetric) loss.sum = (loss.sum + cross_entropy(transpose(scores), own).sum) / 2.0;
  return loss;
}

Loss linear_cross_entropy(const Tensor& x, const Tensor& weight, const Tensor& targets,
                          const LinearCrossEntropyOptions& options) {
  constexpr const char* op = "linear_cross_entropy";
  require_rows(op, "x", x);
  require_same_dtype(op, x, weight);
  if (weight.rank() != 2 || weight.size(1) != x.size(-1)) {
    fail(op, ": wanted x [..., d] and weight [C, d]; got ", x.shape(), " and ", weight.shape());
  }
  const Tensor& bias = options.bias;
  if (bias.defined() && (bias.dtype() != x.dtype() || bias.shape() != Shape{weight.size(0)})) {
    fail(op, ": wanted a bias ", x.dtype(), "[", weight.size(0), "]; got ", bias.dtype(),
         bias.shape());
  }
  Shape scores = x.shape();
  scores.back() = weight.size(0);
  const double counted = checked_count(op, scores, x.dtype(), targets, options.classes);
  // Cut where sums over the rows are, and last block first, as backward goes the other way: so the
  // gradients have the plain ones' bits.
  const int64_t count = targets.numel(), block = kernels::terms_per_block;
  const Tensor flat = reshape(x, {count, x.size(-1)}), wanted = reshape(targets, {count});
  Tensors sums;
  for (int64_t i = std::max<int64_t>(kernels::ceil_div(count, block), 1); i-- > 0;) {
    const int64_t at = i * block, end = std::min(at + block, count);
    sums.push_back(recompute(
        [own = slice(wanted, 0, at, end), classes = options.classes](const Tensors& in) {
          return cross_entropy(linear(in[0], in[1], in[2]), own, classes).sum;
        },
        {slice(flat, 0, at, end), weight, bias}));
  }
  return {sum(stack(sums, 0)), counted};
}

}  // namespace rapt
