#pragma once

#include <memory>
#include <optional>

#include "rapt/autograd/attention/mask.h"
#include "rapt/autograd/tensor_or_number.h"

namespace rapt {

struct ScoreOptions {
  std::optional<double> scale = {};     ///< of the products; 1 / sqrt(d) for scaled_dot, else 1
  std::optional<double> soft_cap = {};  ///< c > 0: c * tanh(s / c) instead of s (arXiv:2408.00118)
};

/// How a query and a key become a score; by default q . k / sqrt(d).
class Score {
 public:
  Score() = default;
  /// q . k / sqrt(d), or another scale (arXiv:1706.03762); with a cap if one is given.
  static Score scaled_dot(const ScoreOptions& options);
  /// q . k (Luong's "dot", arXiv:1508.04025).
  static Score dot(const ScoreOptions& options = {});
  /// q W k (Luong's "general").   q [..., Tq, dq], k [..., Tk, dk], weight W [..., dq, dk]
  static Score bilinear(const Tensor& weight, const ScoreOptions& options = {});
  /// scale * q . k / (|q| |k|), 0 where one of them is 0 (arXiv:1410.5401 for keys of a memory,
  /// arXiv:2111.09883 between tokens). The scale may be a tensor that broadcasts to
  /// [..., Tq, 1], and be learned: [heads, 1, 1], say.
  static Score cosine(TensorOrNumber scale = 1);
  /// weight . tanh(q + k): additive attention (arXiv:1409.0473), whose maps of query and key are
  /// linear layers before.   weight [..., d], its leading axes as those of q and k
  static Score additive(const Tensor& weight);

  /// This score, and bias[..., Tq - 1 + j - i] added for query i and key j, counted from 0: a
  /// function of their distance alone, as ALiBi's and T5's (arXiv:2108.12409, arXiv:1910.10683).
  /// bias [..., Tq + Tk - 1], its leading axes broadcast to those of q and k. It is read where it
  /// lies: nothing of Tq x Tk is made. Added last, after the cap and all functions; -inf masks.
  Score with_relative_bias(const Tensor& bias) const;

  /// This score, changed by a function of the user's: from the scores of a block, [..., rows,
  /// keys], it makes others of that shape.
  ///
  ///   const Score with_distance = Score().then([slope](const Tensor& s, const AttentionBlock& b) {
  ///     return s + (b.keys - b.rows).to(s.dtype()) * slope;
  ///   });
  ///
  /// f is called block by block, in plain ops, and again in backward(): memory grows with the
  /// length, not with its square. Gradients of any order reach the scores and what f captured. It
  /// does the same whenever it runs; see recompute.
  using Function = OwnedFunction<Tensor(const Tensor& scores, const AttentionBlock& block)>;
  Score then(Function f) const;

 private:
  friend class AttentionProblem;
  struct State;  // detail/parts.h
  explicit Score(State state);
  /// A copy of the state, to be changed.
  State changed() const;

  std::shared_ptr<const State> state_;  // null for the default
};

}  // namespace rapt
