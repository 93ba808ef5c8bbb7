#pragma once

#include "rapt/autograd/tensor.h"
#include "rapt/nn/module.h"

namespace rapt::nn {

/// How the vectors of a sequence become one.
enum class PoolingKind {
  first,      ///< the first token's, as BERT's
  mean,       ///< of those that count
  max,        ///< of each column
  attention,  ///< their sum, weighted by softmax(w . tanh(x W^T + b)) (arXiv:1703.03130)
};

/// One vector for a sequence.   x [B, T, width] -> [B, width]; a sequence of no tokens gives 0
///
/// lengths i64 [B]: the first lengths[b] count, the others are padding and have no say.
class Pooling : public Module {
 public:
  Pooling(PoolingKind kind, int64_t width, Rng& rng);
  Tensor operator()(const Tensor& x, const Tensor& lengths = {}) const;

  /// Of attention: map [width, width] and its bias [width], query [width]; else undefined.
  Tensor weight, bias, query;

 private:
  PoolingKind kind_;
  int64_t width_;
};

}  // namespace rapt::nn
