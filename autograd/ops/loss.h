#pragma once

#include "rapt/autograd/tensor.h"

/// What training makes small.
namespace rapt {

/// A loss as a sum and what it is to be divided by, so that micro-batches can be added up to
/// exactly what the whole batch gives, padding or not:
///
///   const double whole = count_targets(targets);            // of the batch, before it is cut
///   for (const auto& [ids, targets] : micro_batches) {
///     cross_entropy(model(ids), targets).mean(whole).backward();
///   }
struct Loss {
  Tensor sum;        ///< scalar, differentiable
  double count = 0;  ///< targets that counted, or the sum of their class weights
  /// sum / count; 0 (with gradient 0) when nothing counted.
  Tensor mean() const { return mean(count); }
  /// sum / whole: what a micro-batch adds to the mean of a batch whose count is `whole`.
  Tensor mean(double whole) const;
};

struct ClassificationOptions {
  int64_t ignore_index = -100;  ///< targets of this value do not count
  double label_smoothing = 0;   ///< in [0, 1]: the share spread evenly over all classes
  Tensor class_weights = {};    ///< [C], without a gradient; finite; or undefined for 1 each
};

/// The count of a loss over these targets: those that are not ignored, or the sum of their class
/// weights; of probabilities, the rows. label_smoothing does not matter.   targets i64 of any
/// shape, or f32 or f64 [..., C]
double count_targets(const Tensor& targets, const ClassificationOptions& options = {});

/// -log softmax(logits)[target].   logits [..., C], targets i64 [...]; or
/// -sum over classes of targets * log softmax(logits).   targets [..., C], of the logits' dtype:
/// probabilities, which may require a gradient; every row counts 1, and ignore_index has no
/// meaning. Smoothing and weights as in torch.nn.CrossEntropyLoss, but with the classes on the last
/// axis.
Loss cross_entropy(const Tensor& logits, const Tensor& targets,
                   const ClassificationOptions& options = {});
/// -log_probabilities[target]; label_smoothing must be 0.   log_probabilities [..., C]
Loss nll_loss(const Tensor& log_probabilities, const Tensor& targets,
              const ClassificationOptions& options = {});
/// (prediction - target)^2.   Same shapes.
Loss mse_loss(const Tensor& prediction, const Tensor& target);

struct BinaryCrossEntropyOptions {
  Tensor pos_weight = {};  ///< times t log s(x), without a gradient; broadcasts to the logits
};
/// -(t log s(x) + (1 - t) log(1 - s(x))), s the sigmoid, without overflow.   Same shapes; targets
/// in [0, 1].
Loss binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& targets,
                                      const BinaryCrossEntropyOptions& options = {});

// ---- the same losses one by one (PyTorch's reduction "none"): 0 where a target is ignored ------

Tensor cross_entropy_each(const Tensor& logits, const Tensor& targets,
                          const ClassificationOptions& options = {});
Tensor nll_loss_each(const Tensor& log_probabilities, const Tensor& targets,
                     const ClassificationOptions& options = {});
Tensor mse_loss_each(const Tensor& prediction, const Tensor& target);
Tensor binary_cross_entropy_with_logits_each(const Tensor& logits, const Tensor& targets,
                                             const BinaryCrossEntropyOptions& options = {});

}  // namespace rapt
