#pragma once

#include "rapt/nn/linear.h"
#include "rapt/nn/models/encoder.h"
#include "rapt/nn/models/pooling.h"

namespace rapt::nn {

struct ClassifierOptions {
  TransformerOptions encoder = {};
  int64_t classes = 0;
  PoolingKind pooling = PoolingKind::mean;
};

/// A Transformer encoder that gives each sequence to one of some classes.
///
/// ids i64 [B, T] -> logits [B, classes]. Padding has no say.
class Classifier : public Module {
 public:
  Classifier(const ClassifierOptions& options, Rng& rng);
  Tensor operator()(const Tensor& ids, const EncoderInputs& how = {}) const;

  /// As it is now: with the heads that are left.
  ClassifierOptions options() const;

  Encoder encoder;
  Pooling pooling;
  Dropout dropout;
  Linear head;  ///< [classes, width]

 private:
  ClassifierOptions options_;
};

struct TaggerOptions {
  TransformerOptions encoder = {};
  int64_t tags = 0;
};

/// A Transformer encoder that gives each token one of some tags.
///
/// ids i64 [B, T] -> logits [B, T, tags]. Padding has no say in the others.
class Tagger : public Module {
 public:
  Tagger(const TaggerOptions& options, Rng& rng);
  Tensor operator()(const Tensor& ids, const EncoderInputs& how = {}) const;

  /// As it is now: with the heads that are left.
  TaggerOptions options() const;

  Encoder encoder;
  Dropout dropout;
  Linear head;  ///< [tags, width]

 private:
  TaggerOptions options_;
};

}  // namespace rapt::nn
