#pragma once

#include "rapt/autograd/attention/mask.h"
#include "rapt/autograd/attention/score.h"
#include "rapt/autograd/random.h"

/// Attention of queries over keys and values.
namespace rapt {

struct AttentionOptions {
  Mask mask = {};    ///< which keys each query may attend to: mask.h
  Score score = {};  ///< how a query and a key become a score: score.h
  /// A score of nothing that each query has beside those of its keys, so that its weights need not
  /// sum to 1 (arXiv:2309.17453; learned, as in gpt-oss). It broadcasts to the leading axes of q:
  /// [heads], say. Undefined: none.
  Tensor sink = {};
  /// Grouped queries (arXiv:2305.13245): q has a multiple of the heads of k and v, axis -3, and so
  /// many neighbours share one. PyTorch's enable_gqa.
  bool grouped = false;
  double dropout = 0;  ///< probability of dropping a weight; needs rng
  Rng* rng = nullptr;
};

/// softmax(score(q, k) + mask) v (arXiv:1706.03762, eq. 1; PyTorch's scaled_dot_product_attention
/// by default). q [..., Tq, d], k [..., Tk, d], v [..., Tk, dv] -> [..., Tq, dv]; leading axes
/// (batch, heads) broadcast. A query that may
/// attend to nothing gives 0, and its gradients are 0. What is masked has no say: NaN or inf there
/// changes nothing for the others, forward or backward. The Tq x Tk weights are never stored.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v,
                 const AttentionOptions& options = {});
/// The weights that the function above applies, before dropout: [..., Tq, Tk].
Tensor attention_weights(const Tensor& q, const Tensor& k, const AttentionOptions& options = {});

}  // namespace rapt
