#include <algorithm>
#include <cmath>
#include <limits>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/reuse.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/kernels/cross_entropy.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/class_losses.h"

namespace rapt {
namespace {

/// Targets that count, each checked, and the sum of their weights.
struct Counted {
  Tensor targets;  // dense
  double weight = 0;
};

Counted counted(const char* op, const Tensor& targets, int64_t classes,
                const ClassificationOptions& options) {
  Counted out{targets.contiguous()};
  const int64_t* at = out.targets.data<int64_t>();
  const Tensor& weights = options.class_weights;
  const Tensor table = weights.defined() ? weights.to(Dtype::f64).contiguous() : Tensor();
  for (int64_t c = 0; table.defined() && c < table.numel(); ++c) {
    const double weight = table.data<double>()[c];
    if (!std::isfinite(weight)) fail(op, ": wanted finite class_weights; got ", weight, " at ", c);
  }
  for (int64_t i = 0, n = targets.numel(); i < n; ++i) {
    if (at[i] == options.ignore_index) continue;
    if (at[i] < 0 || at[i] >= classes) {
      fail(op, ": wanted targets in [0, ", classes, ") or ignore_index ", options.ignore_index,
           "; got ", at[i], " at position ", i);
    }
    out.weight += table.defined() ? table.data<double>()[at[i]] : 1;
  }
  return out;
}

void require_class_weights(const char* op, Dtype dtype, int64_t classes, const Tensor& weights) {
  if (!weights.defined()) return;
  if (weights.dtype() != dtype) {
    fail(op, ": wanted class_weights of ", dtype, "; got ", weights.dtype(), weights.shape());
  }
  require_constant(op, "class_weights", weights);
  if (weights.shape() != Shape{classes}) {
    fail(op, ": wanted class_weights [", classes, "]; got ", weights.shape());
  }
}

void require_smoothing(const char* op, double smoothing) {
  if (!(smoothing >= 0 && smoothing <= 1)) {
    fail(op, ": wanted 0 <= label_smoothing <= 1; got ", smoothing);
  }
}

Counted counted_targets(const char* op, const Shape& scores, Dtype dtype, const Tensor& targets,
                        const ClassificationOptions& options) {
  require_dtype(op, "targets", targets, Dtype::i64);
  Shape expected = scores;
  if (scores.rank() > 0) expected.pop_back();
  if (scores.rank() == 0 || targets.shape() != expected) {
    fail(op, ": wanted scores [..., C] and targets [...]; got ", scores, " and ", targets.shape());
  }
  require_class_weights(op, dtype, scores.back(), options.class_weights);
  return counted(op, targets, scores.back(), options);
}

Counted counted_targets(const char* op, const Tensor& scores, const Tensor& targets,
                        const ClassificationOptions& options) {
  require_float(op, "the first argument", scores);
  return counted_targets(op, scores.shape(), scores.dtype(), targets, options);
}

int64_t rows_of_probabilities(const Tensor& targets) {
  return targets.numel() / std::max<int64_t>(1, targets.size(-1));
}

/// What cross_entropy_each means, in plain ops.
Tensor cross_entropy_definition(const Tensor& logits, const Tensor& targets,
                                const ClassificationOptions& options) {
  if (logits.numel() == 0) return sum(logits, {-1});
  const int64_t classes = logits.size(-1);
  const Tensor ignored = targets == options.ignore_index;
  const Tensor safe = masked_fill(targets, ignored, 0);
  const Tensor rows = masked_fill(logits, unsqueeze(ignored, -1), 0);  // NaN there has no say
  const Tensor on = one_hot(safe, classes, logits.dtype());
  Tensor shares =
      on * (1 - options.label_smoothing) + options.label_smoothing / static_cast<double>(classes);
  if (options.class_weights.defined()) shares = shares * options.class_weights;
  shares = masked_fill(shares, unsqueeze(ignored, -1), 0);
  // Classes of share 0 are skipped: 0 * -inf is NaN.
  return -sum(masked_fill(shares * log_softmax(rows), shares == 0, 0), {-1});
}

}  // namespace

double count_targets(const Tensor& targets, const ClassificationOptions& options) {
  require_defined("count_targets", "targets", targets);
  if (is_float(targets.dtype()) && targets.rank() > 0) {
    return static_cast<double>(rows_of_probabilities(targets));
  }
  require_dtype("count_targets", "targets", targets, Dtype::i64);
  const Tensor& weights = options.class_weights;
  if (weights.defined()) {
    require_float("count_targets", "class_weights", weights);
    if (weights.rank() != 1) {
      fail("count_targets: wanted class_weights [C]; got ", weights.shape());
    }
  }
  const int64_t classes = weights.defined() ? weights.size(0) : std::numeric_limits<int64_t>::max();
  return counted("count_targets", targets, classes, options).weight;
}

namespace {

/// A kernel's losses, as the sum of all or one by one.
enum class Give { sum, each };

Tensor losses_of_classes(const char* op, Give give, const Tensor& logits, const Tensor& targets,
                         const ClassificationOptions& options) {
  const int64_t rows = targets.numel(), classes = logits.size(-1);
  const Tensor weights =
      options.class_weights.defined() ? options.class_weights.detach().contiguous() : Tensor();
  const Tensor shift = empty({rows}, logits.dtype()), factor = empty({rows}, logits.dtype());
  const Tensor losses = empty({rows}, Dtype::f64);
  const auto class_targets = [targets, ignored = options.ignore_index,
                              smoothing = options.label_smoothing, weights]<class T>(T) {
    return kernels::ClassTargets<T>{targets.template data<int64_t>(), ignored, smoothing,
                                    weights.defined() ? weights.template data<T>() : nullptr};
  };
  visit_float(logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::cross_entropy(rows, classes, logits.detach().contiguous().data<T>(),
                           class_targets(zero), {fresh_data<T>(shift), fresh_data<T>(factor)},
                           fresh_data<double>(losses));
  });
  double total = 0;  // in the order of the rows, whatever the threads
  for (int64_t i = 0; give == Give::sum && i < rows; ++i) total += losses.data<double>()[i];
  const Tensor y = give == Give::sum ? full({}, total, logits.dtype())
                                     : reshape(losses.to(logits.dtype()), targets.shape());
  // join_graph, not fused: that would keep a second handle, and may_overwrite would never hold
  // (design.md, Memory reuse).
  return join_graph(op, {logits}, y,
                    [give, logits, targets, options, class_targets, shift, factor, rows,
                     classes](const Backward& b) -> Gradients {
                      if (b.create_graph) {
                        return differentiate(
                            [&](const Tensors& in) {
                              const Tensor each = cross_entropy_definition(in[0], targets, options);
                              return give == Give::sum ? sum(each) : each;
                            },
                            {logits}, b);
                      }
                      // The logits of a large vocabulary are the largest thing a model makes: where
                      // nobody else has them, they become their gradient.
                      const bool mine = may_overwrite(b, logits);
                      const Tensor input = logits.detach().contiguous(), g = b.grad.contiguous();
                      const Tensor dx = mine ? input : empty(input.shape(), input.dtype());
                      visit_float(input.dtype(), [&](auto zero) {
                        using T = decltype(zero);
                        kernels::cross_entropy_backward(
                            rows, classes, input.data<T>(), class_targets(zero),
                            {shift.data<T>(), factor.data<T>()}, g.data<T>(),
                            give == Give::sum ? 0 : 1, fresh_data<T>(dx));
                      });
                      return {dx};
                    });
}

Tensor losses_of_probabilities(const char* op, const Tensor& logits, const Tensor& targets,
                               const ClassificationOptions& options) {
  require_same_dtype(op, logits, targets);
  if (logits.rank() == 0 || targets.shape() != logits.shape()) {
    fail(op, ": wanted targets of i64, or probabilities of the logits' shape ", logits.shape(),
         "; got ", targets.dtype(), targets.shape());
  }
  require_class_weights(op, logits.dtype(), logits.size(-1), options.class_weights);
  if (logits.numel() == 0) return sum(logits * targets, {-1});
  const double smoothing = options.label_smoothing;
  Tensor shares = targets;
  if (smoothing != 0) {
    shares = shares * (1 - smoothing) + smoothing / static_cast<double>(logits.size(-1));
  }
  if (options.class_weights.defined()) shares = shares * options.class_weights;
  const Tensor logs = log_softmax(logits);
  // Classes of share 0 are skipped: 0 * -inf is NaN.
  const Tensor without_say =
      logical_and(shares == 0, logs == -std::numeric_limits<double>::infinity());
  return -sum(masked_fill(shares * logs, without_say, 0), {-1});
}

Losses cross_entropy(const char* op, Give give, const Tensor& logits, const Tensor& targets,
                     const ClassificationOptions& options) {
  require_float(op, "the first argument", logits);
  require_defined(op, "targets", targets);
  require_smoothing(op, options.label_smoothing);
  if (is_float(targets.dtype())) {
    const Tensor each = losses_of_probabilities(op, logits, targets, options);
    return {give == Give::sum ? sum(each) : each,
            static_cast<double>(rows_of_probabilities(targets))};
  }
  const Counted counted = counted_targets(op, logits, targets, options);
  return {losses_of_classes(op, give, logits, counted.targets, options), counted.weight};
}

}  // namespace

double checked_count(const char* op, const Shape& scores, Dtype dtype, const Tensor& targets,
                     const ClassificationOptions& options) {
  require_smoothing(op, options.label_smoothing);
  return counted_targets(op, scores, dtype, targets, options).weight;
}

Losses nll_losses(const char* op, const Tensor& log_probabilities, const Tensor& targets,
                  const ClassificationOptions& options) {
  if (options.label_smoothing != 0) {
    fail(op, ": wanted label_smoothing 0; got ", options.label_smoothing);
  }
  const Counted counted = counted_targets(op, log_probabilities, targets, options);
  const Tensor ignored = counted.targets == options.ignore_index;
  const Tensor safe = masked_fill(counted.targets, ignored, 0);
  if (log_probabilities.numel() == 0) return {sum(log_probabilities * 0.0, {-1}), 0};
  Tensor picked = squeeze(gather(log_probabilities, -1, unsqueeze(safe, -1)), -1);
  Tensor without_say = ignored;
  if (options.class_weights.defined()) {
    const Tensor weights = embedding(options.class_weights.detach(), safe);
    picked = picked * weights;
    without_say = logical_or(ignored, weights == 0);  // 0 * -inf
  }
  return {-masked_fill(picked, without_say, 0), counted.weight};
}

Loss cross_entropy(const Tensor& logits, const Tensor& targets,
                   const ClassificationOptions& options) {
  const Losses all = cross_entropy("cross_entropy", Give::sum, logits, targets, options);
  return {all.values, all.count};
}

Tensor cross_entropy_each(const Tensor& logits, const Tensor& targets,
                          const ClassificationOptions& options) {
  return cross_entropy("cross_entropy_each", Give::each, logits, targets, options).values;
}

Loss nll_loss(const Tensor& log_probabilities, const Tensor& targets,
              const ClassificationOptions& options) {
  const Losses all = nll_losses("nll_loss", log_probabilities, targets, options);
  return {sum(all.values), all.count};
}

Tensor nll_loss_each(const Tensor& log_probabilities, const Tensor& targets,
                     const ClassificationOptions& options) {
  return nll_losses("nll_loss_each", log_probabilities, targets, options).values;
}

}  // namespace rapt
