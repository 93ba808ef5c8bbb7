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
/// cross_entropy(linear(x, weight, bias), targets), without the logits: those of 256 rows at a time
/// are there, and computed again for the gradients, which have the bits of the two in turn. For
/// large vocabularies, where the logits would be the most of a step's memory.
/// x [..., d], weight [C, d], targets i64 [...]
struct LinearCrossEntropyOptions {
  Tensor bias = {};  ///< [C]; or undefined
  ClassificationOptions classes = {};
};
Loss linear_cross_entropy(const Tensor& x, const Tensor& weight, const Tensor& targets,
                          const LinearCrossEntropyOptions& options = {});

struct FocalLossOptions {
  double gamma = 2;  ///< 0 (cross entropy) or >= 1: how little counts what is right already
  ClassificationOptions classes = {};  ///< label_smoothing must be 0; class_weights: its alpha
};
/// -(1 - p)^gamma log p, where p = softmax(logits)[target] (arXiv:1708.02002).   As cross_entropy
Loss focal_loss(const Tensor& logits, const Tensor& targets, const FocalLossOptions& options = {});

struct UnlikelihoodOptions {
  int64_t ignore_index = -100;  ///< fills up rows that have fewer
};
/// The sum over a row's candidates, which the model is to avoid, of -log(1 - softmax(logits)[c])
/// (arXiv:1908.04319). 1 - p counts as 1e-5 below that. Each candidate counts 1.
/// logits [..., C], candidates i64 [..., K]
Loss unlikelihood_loss(const Tensor& logits, const Tensor& candidates,
                       const UnlikelihoodOptions& options = {});

/// (log sum exp(logits))^2, which keeps logits near 0: times 1e-4, beside cross_entropy
/// (arXiv:2204.02311, section 5). Every row counts 1.   logits [..., C]
Loss z_loss(const Tensor& logits);

struct CtcOptions {
  int64_t blank = 0;           ///< the class that stands for nothing
  bool zero_infinity = false;  ///< 0 instead of inf for a target that is too long
};
/// -log of how probable a target is as what is left of a path of one class a frame, when classes
/// that repeat and then blanks are dropped (Graves 2006): for sequences whose alignment is not
/// known. Computed in log space and f64. A target that does not fit into its frames gives inf, with
/// gradient 0. Every sequence counts 1; PyTorch's mean divides each by its target's length first.
/// log_probabilities [B, T, C] as log_softmax gives them, targets i64 [B, S] without blanks,
/// lengths and target_lengths i64 [B]: how many of T and of S are there
Loss ctc_loss(const Tensor& log_probabilities, const Tensor& targets, const Tensor& lengths,
              const Tensor& target_lengths, const CtcOptions& options = {});

/// target (log target - log_probabilities), 0 where the target is 0: how far a distribution is from
/// the target's. Every row counts 1, so mean() is PyTorch's reduction "batchmean" for [B, C].
/// log_probabilities and target [..., C]; the target is no logarithm
Loss kl_div_loss(const Tensor& log_probabilities, const Tensor& target);

/// (prediction - target)^2.   Same shapes.
Loss mse_loss(const Tensor& prediction, const Tensor& target);
/// |prediction - target|.   Same shapes.
Loss l1_loss(const Tensor& prediction, const Tensor& target);
struct HuberOptions {
  double delta = 1;  ///< above 0
};
/// d^2 / 2 where |d| <= delta, and delta (|d| - delta / 2) beyond, d = prediction - target.   Same
/// shapes. Divided by delta, it is PyTorch's smooth_l1_loss of beta = delta.
Loss huber_loss(const Tensor& prediction, const Tensor& target, const HuberOptions& options = {});

struct CosineEmbeddingOptions {
  double margin = 0;  ///< in [-1, 1]
};
/// 1 - cos(a, b) where alike is true; max(0, cos(a, b) - margin) where it is false.   a and b
/// [..., d], alike b8 [...]
Loss cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& alike,
                           const CosineEmbeddingOptions& options = {});

struct InfoNceOptions {
  double temperature = 0.07;  ///< above 0
  bool symmetric = false;     ///< the mean of both directions, as CLIP's
};
/// Contrastive: query i belongs to key i, and all other keys are negatives (arXiv:1807.03748).
/// cross_entropy(q k^T / temperature, i), q and k the rows at length 1.   queries and keys [N, d]
Loss info_nce_loss(const Tensor& queries, const Tensor& keys, const InfoNceOptions& options = {});

struct BinaryCrossEntropyOptions {
  Tensor pos_weight = {};  ///< times t log s(x), without a gradient; broadcasts to the logits
};
/// -(t log s(x) + (1 - t) log(1 - s(x))), s the sigmoid, without overflow.   Same shapes; targets
/// in [0, 1].
Loss binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& targets,
                                      const BinaryCrossEntropyOptions& options = {});

// ---- the same losses one by one (PyTorch's reduction "none"): 0 where a target is ignored ------
// Those of rows are [...], that of unlikelihood [..., K], those of elements of their shape.

Tensor cross_entropy_each(const Tensor& logits, const Tensor& targets,
                          const ClassificationOptions& options = {});
Tensor nll_loss_each(const Tensor& log_probabilities, const Tensor& targets,
                     const ClassificationOptions& options = {});
Tensor focal_loss_each(const Tensor& logits, const Tensor& targets,
                       const FocalLossOptions& options = {});
Tensor unlikelihood_loss_each(const Tensor& logits, const Tensor& candidates,
                              const UnlikelihoodOptions& options = {});
Tensor z_loss_each(const Tensor& logits);
Tensor ctc_loss_each(const Tensor& log_probabilities, const Tensor& targets, const Tensor& lengths,
                     const Tensor& target_lengths, const CtcOptions& options = {});
Tensor kl_div_loss_each(const Tensor& log_probabilities, const Tensor& target);
Tensor mse_loss_each(const Tensor& prediction, const Tensor& target);
Tensor l1_loss_each(const Tensor& prediction, const Tensor& target);
Tensor huber_loss_each(const Tensor& prediction, const Tensor& target,
                       const HuberOptions& options = {});
Tensor cosine_embedding_loss_each(const Tensor& a, const Tensor& b, const Tensor& alike,
                                  const CosineEmbeddingOptions& options = {});
Tensor binary_cross_entropy_with_logits_each(const Tensor& logits, const Tensor& targets,
                                             const BinaryCrossEntropyOptions& options = {});

}  // namespace rapt
