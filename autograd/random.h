#pragma once

#include <cstdint>

#include "rapt/autograd/philox_key.h"
#include "rapt/autograd/tensor.h"

namespace rapt {

struct MultinomialOptions {
  bool replacement = false;  ///< an index may be drawn again
};

/// A stream of random numbers: explicit, seeded, savable. Draws advance it. Passed by reference
/// to whatever draws; copying it copies the stream, so both copies give the same numbers.
class Rng {
 public:
  explicit Rng(uint64_t seed);

  /// A new stream, independent of this one and of other forks. Advances this stream.
  Rng fork();

  /// f32 or f64 in [low, high).
  Tensor uniform(const Shape& shape, double low = 0, double high = 1, Dtype dtype = Dtype::f32);
  /// f32 or f64, Gaussian.
  Tensor normal(const Shape& shape, double mean = 0, double stddev = 1, Dtype dtype = Dtype::f32);
  /// i64 in [low, high), each equally likely. Throws when the range is empty.
  Tensor integers(int64_t low, int64_t high, const Shape& shape);
  /// b8: true with probability p. Throws unless 0 <= p <= 1.
  Tensor bernoulli(double p, const Shape& shape);
  /// f32 or f64: -log(-log(u)), u uniform. The index of the largest of logits + gumbel is a draw
  /// from softmax(logits) (arXiv:1611.01144).
  Tensor gumbel(const Shape& shape, Dtype dtype = Dtype::f32);
  /// i64 [..., count]: indices drawn by weights [..., n], f32 or f64, each in proportion to its
  /// weight; without replacement no index twice, in the order of the draws. Throws for a weight
  /// that is negative or not finite, and where fewer than `count` weights (with replacement: none)
  /// are above 0.
  Tensor multinomial(const Tensor& weights, Int count, MultinomialOptions options = {});
  /// i64 [n]: 0 ... n - 1 in random order.
  Tensor permutation(int64_t n);

  /// One number in [0, 1), with 53 random bits.
  double uniform();
  /// One integer in [low, high).
  int64_t integer(int64_t low, int64_t high);

  /// Where the next draws come from, for a kernel that draws `blocks` blocks by itself (dropout).
  /// Advances the stream past them.
  PhiloxKey take(int64_t blocks);

  /// i64 [2]: all that the next draws depend on.
  Tensor state() const;
  void set_state(const Tensor& state);

 private:
  uint64_t key_;
  uint64_t counter_ = 0;
};

}  // namespace rapt
