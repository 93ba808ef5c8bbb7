#pragma once

#include <memory>
#include <optional>

#include "rapt/autograd/attention/mask.h"

namespace rapt {

struct ScaledDotOptions {
  std::optional<double> scale = {};     ///< 1 / sqrt(d) by default
  std::optional<double> soft_cap = {};  ///< c > 0: c * tanh(s / c) instead of s (arXiv:2408.00118)
};

/// How a query and a key become a score; by default q . k / sqrt(d).
class Score {
 public:
  Score() = default;
  /// q . k * scale, with a cap if one is given.
  static Score scaled_dot(const ScaledDotOptions& options);

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

  std::shared_ptr<const State> state_;  // null for the default
};

}  // namespace rapt
