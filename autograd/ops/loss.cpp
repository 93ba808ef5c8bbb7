#include <cmath>
#include <limits>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/reuse.h"
#include "rapt/autograd/kernels/cross_entropy.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/pointwise.h"

namespace rapt {

Tensor Loss::mean(double whole) const { return whole > 0 ? sum / whole : sum * 0.0; }

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

Counted counted_targets(const char* op, const Tensor& scores, const Tensor& targets,
                        const ClassificationOptions& options) {
  require_float(op, "the first argument", scores);
  require_dtype(op, "targets", targets, Dtype::i64);
  Shape expected = scores.shape();
  if (scores.rank() > 0) expected.pop_back();
  if (scores.rank() == 0 || targets.shape() != expected) {
    fail(op, ": wanted scores [..., C] and targets [...]; got ", scores.shape(), " and ",
         targets.shape());
  }
  const int64_t classes = scores.size(-1);
  const Tensor& weights = options.class_weights;
  if (weights.defined()) {
    require_same_dtype(op, scores, weights);
    require_constant(op, "class_weights", weights);
    if (weights.shape() != Shape{classes}) {
      fail(op, ": wanted class_weights [", classes, "]; got ", weights.shape());
    }
  }
  return counted(op, targets, classes, options);
}

/// What cross_entropy means, in plain ops.
Tensor cross_entropy_definition(const Tensor& logits, const Tensor& targets,
                                const ClassificationOptions& options) {
  if (logits.numel() == 0) return sum(logits);
  const int64_t classes = logits.size(-1);
  const Tensor ignored =
      equal(targets, full({}, static_cast<double>(options.ignore_index), Dtype::i64));
  const Tensor safe = masked_fill(targets, ignored, 0);
  const Tensor rows = masked_fill(logits, unsqueeze(ignored, -1), 0);  // NaN there has no say
  const Tensor on = one_hot(safe, classes, logits.dtype());
  Tensor shares =
      on * (1 - options.label_smoothing) + options.label_smoothing / static_cast<double>(classes);
  if (options.class_weights.defined()) shares = shares * options.class_weights;
  shares = masked_fill(shares, unsqueeze(ignored, -1), 0);
  // 0 * -inf is NaN: a class that has no share has no say.
  const Tensor terms =
      masked_fill(shares * log_softmax(rows), equal(shares, zeros({}, shares.dtype())), 0);
  return -sum(terms);
}

}  // namespace

double count_targets(const Tensor& targets, const ClassificationOptions& options) {
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

Loss cross_entropy(const Tensor& logits, const Tensor& targets,
                   const ClassificationOptions& options) {
  const Counted counted = counted_targets("cross_entropy", logits, targets, options);
  const double smoothing = options.label_smoothing;
  if (!(smoothing >= 0 && smoothing <= 1)) {
    fail("cross_entropy: wanted 0 <= label_smoothing <= 1; got ", smoothing);
  }
  const int64_t rows = targets.numel(), classes = logits.size(-1);
  const Tensor weights =
      options.class_weights.defined() ? options.class_weights.detach().contiguous() : Tensor();
  const Tensor shift = empty({rows}, logits.dtype()), factor = empty({rows}, logits.dtype());
  const Tensor y = empty({}, logits.dtype());
  const auto class_targets = [at = counted.targets, ignored = options.ignore_index, smoothing,
                              weights]<class T>(T) {
    return kernels::ClassTargets<T>{at.template data<int64_t>(), ignored, smoothing,
                                    weights.defined() ? weights.template data<T>() : nullptr};
  };
  visit_float(logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    *fresh_data<T>(y) = static_cast<T>(
        kernels::cross_entropy(rows, classes, logits.detach().contiguous().data<T>(),
                               class_targets(zero), {fresh_data<T>(shift), fresh_data<T>(factor)}));
  });
  const Tensor sum = join_graph(
      "cross_entropy", {logits}, y,
      [logits, at = counted.targets, options, class_targets, shift, factor, rows,
       classes](const Backward& b) -> Gradients {
        if (b.create_graph) {
          return differentiate(
              [&](const Tensors& in) { return cross_entropy_definition(in[0], at, options); },
              {logits}, b);
        }
        // The logits of a large vocabulary are the largest thing a model makes: where nobody else
        // has them, they become their gradient.
        const bool mine = may_overwrite(b, logits);
        const Tensor input = logits.detach().contiguous();
        const Tensor dx = mine ? input : empty(input.shape(), input.dtype());
        visit_float(input.dtype(), [&](auto zero) {
          using T = decltype(zero);
          kernels::cross_entropy_backward(rows, classes, input.data<T>(), class_targets(zero),
                                          {shift.data<T>(), factor.data<T>()}, b.grad.item(),
                                          fresh_data<T>(dx));
        });
        return {dx};
      });
  return {sum, counted.weight};
}

Loss nll_loss(const Tensor& log_probabilities, const Tensor& targets,
              const ClassificationOptions& options) {
  if (options.label_smoothing != 0) {
    fail("nll_loss: wanted label_smoothing 0; got ", options.label_smoothing);
  }
  const Counted counted = counted_targets("nll_loss", log_probabilities, targets, options);
  const Tensor ignored =
      equal(counted.targets, full({}, static_cast<double>(options.ignore_index), Dtype::i64));
  const Tensor safe = masked_fill(counted.targets, ignored, 0);
  if (log_probabilities.numel() == 0) return {rapt::sum(log_probabilities) * 0.0, 0};
  Tensor picked = squeeze(gather(log_probabilities, -1, unsqueeze(safe, -1)), -1);
  Tensor without_say = ignored;
  if (options.class_weights.defined()) {
    const Tensor weights = embedding(options.class_weights.detach(), safe);
    picked = picked * weights;
    without_say = logical_or(ignored, equal(weights, zeros({}, weights.dtype())));  // 0 * -inf
  }
  return {-rapt::sum(masked_fill(picked, without_say, 0)), counted.weight};
}

namespace {

void require_same_shape(const char* op, const Tensor& a, const Tensor& b) {
  require_float(op, "the first argument", a);
  require_same_dtype(op, a, b);
  if (a.shape() != b.shape()) {
    fail(op, ": wanted two tensors of one shape; got ", a.shape(), " and ", b.shape());
  }
}

}  // namespace

Loss mse_loss(const Tensor& prediction, const Tensor& target) {
  require_same_shape("mse_loss", prediction, target);
  const Tensor difference = prediction - target;
  return {rapt::sum(difference * difference), static_cast<double>(prediction.numel())};
}

Loss binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& targets) {
  require_same_shape("binary_cross_entropy_with_logits", logits, targets);
  const Tensor losses = pointwise(
      "binary_cross_entropy_with_logits", logits, targets,
      []<class U>(const U& x, const U& t) -> U {
        // max(x, 0) - x t + log(1 + exp(-|x|)): exp never overflows.
        U positive;
        for (int i = 0; i < kernels::lanes; ++i) positive[i] = x[i] > 0 ? x[i] : Scalar<U>(0);
        const U decay = kernels::exp<Scalar<U>>(-x.abs());
        return positive - x * t + decay.log1p();
      },
      [logits, targets](const Backward& b) -> Gradients {
        return {b.grad * (sigmoid(logits) - targets), -(b.grad * logits)};
      });
  return {rapt::sum(losses), static_cast<double>(logits.numel())};
}

}  // namespace rapt
