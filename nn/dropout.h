#pragma once

#include "rapt/nn/module.h"

namespace rapt::nn {

/// In training, sets each element to 0 with probability p and divides the others by 1 - p
/// (arXiv:1207.0580); in evaluation, the identity.   x of any shape -> the same
///
/// The layer draws from a stream of its own, forked from `rng` when it is built. The stream is part
/// of state(), so a resumed run drops the same units.
class Dropout : public Module {
 public:
  /// Throws unless 0 <= p < 1.
  Dropout(double p, Rng& rng);
  Tensor operator()(const Tensor& x) const;

  /// The probability that applies now: 0 in evaluation.
  double probability() const { return training() ? p_ : 0; }
  /// For an op that drops by itself, such as attention.
  Rng& rng() const { return *stream_; }

 private:
  double p_;
  std::shared_ptr<Rng> stream_;
};

}  // namespace rapt::nn
