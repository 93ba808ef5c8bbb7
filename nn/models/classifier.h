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
  /// As configuration() says, with the heads that are left. Throws for that of another model, and
  /// for names and values that are not its own.
  Classifier(const Values& configuration, Rng& rng);
  Tensor operator()(const Tensor& ids, const EncoderInputs& how = {}) const;

  /// With what a 0 and what is unset stand for in its place.
  const ClassifierOptions& options() const { return options_; }

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
  /// As configuration() says, with the heads that are left. Throws for that of another model, and
  /// for names and values that are not its own.
  Tagger(const Values& configuration, Rng& rng);
  Tensor operator()(const Tensor& ids, const EncoderInputs& how = {}) const;

  /// With what a 0 and what is unset stand for in its place.
  const TaggerOptions& options() const { return options_; }

  Encoder encoder;
  Dropout dropout;
  Linear head;  ///< [tags, width]

 private:
  TaggerOptions options_;
};

}  // namespace rapt::nn
