#include "rapt/autograd/ops/loss.h"

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/pointwise.h"

namespace rapt {

Tensor Loss::mean(double whole) const { return whole > 0 ? sum / whole : sum * 0.0; }

namespace {

void require_same_shape(const char* op, const Tensor& a, const Tensor& b) {
  require_float(op, "the first argument", a);
  require_same_dtype(op, a, b);
  if (a.shape() != b.shape()) {
    fail(op, ": wanted two tensors of one shape; got ", a.shape(), " and ", b.shape());
  }
}

}  // namespace

Tensor mse_loss_each(const Tensor& prediction, const Tensor& target) {
  require_same_shape("mse_loss_each", prediction, target);
  return square(prediction - target);
}

Loss mse_loss(const Tensor& prediction, const Tensor& target) {
  require_same_shape("mse_loss", prediction, target);
  const Tensor difference = prediction - target;
  return {rapt::sum(difference * difference), static_cast<double>(prediction.numel())};
}

Tensor l1_loss_each(const Tensor& prediction, const Tensor& target) {
  require_same_shape("l1_loss_each", prediction, target);
  return abs(prediction - target);
}

Loss l1_loss(const Tensor& prediction, const Tensor& target) {
  require_same_shape("l1_loss", prediction, target);
  return {rapt::sum(abs(prediction - target)), static_cast<double>(prediction.numel())};
}

namespace {

Tensor huber_losses(const char* op, const Tensor& prediction, const Tensor& target,
                    const HuberOptions& options) {
  require_same_shape(op, prediction, target);
  const double delta = options.delta;
  if (!(delta > 0)) fail(op, ": wanted delta > 0; got ", delta);
  const Tensor d = abs(prediction - target), near = clamp(d, 0, delta);
  return near * (d - 0.5 * near);  // d^2 / 2, and delta (d - delta / 2) beyond
}

}  // namespace

Tensor huber_loss_each(const Tensor& prediction, const Tensor& target,
                       const HuberOptions& options) {
  return huber_losses("huber_loss_each", prediction, target, options);
}

Loss huber_loss(const Tensor& prediction, const Tensor& target, const HuberOptions& options) {
  return {rapt::sum(huber_losses("huber_loss", prediction, target, options)),
          static_cast<double>(prediction.numel())};
}

namespace {

Tensor binary_losses(const char* op, const Tensor& logits, const Tensor& targets) {
  return pointwise(
      op, logits, targets,
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
}

Tensor binary_losses(const char* op, const Tensor& logits, const Tensor& targets,
                     const Tensor& pos_weight) {
  require_same_shape(op, logits, targets);
  if (!pos_weight.defined()) return binary_losses(op, logits, targets);
  require_same_dtype(op, logits, pos_weight);
  require_constant(op, "pos_weight", pos_weight);
  if (!broadcasts_to(pos_weight.shape(), logits.shape())) {
    fail(op, ": wanted a pos_weight that broadcasts to the logits ", logits.shape(), "; got ",
         pos_weight.shape());
  }
  return -(pos_weight * targets * logsigmoid(logits) + (1 - targets) * logsigmoid(-logits));
}

}  // namespace

Tensor binary_cross_entropy_with_logits_each(const Tensor& logits, const Tensor& targets,
                                             const BinaryCrossEntropyOptions& options) {
  return binary_losses("binary_cross_entropy_with_logits_each", logits, targets,
                       options.pos_weight);
}

Loss binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& targets,
                                      const BinaryCrossEntropyOptions& options) {
  const Tensor losses =
      binary_losses("binary_cross_entropy_with_logits", logits, targets, options.pos_weight);
  return {rapt::sum(losses), static_cast<double>(logits.numel())};
}

}  // namespace rapt
