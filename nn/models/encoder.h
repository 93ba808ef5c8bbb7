#pragma once

#include "rapt/nn/models/options.h"
#include "rapt/nn/models/stack.h"

namespace rapt::nn {

/// How a model that reads both ways is called.
struct EncoderInputs {
  Tensor lengths = {};  ///< the first lengths[b] tokens count, the others are padding: i64 [B]
  Mask mask = {};       ///< what each place may attend to beyond that
};

/// A Transformer encoder, as BERT without its heads: a vector for each token, which knows of all
/// the others.
///
/// ids i64 [B, T], T <= context, each in [0, vocabulary) -> [B, T, width]. Padding has no say.
class Encoder : public Module {
 public:
  Encoder(const TransformerOptions& options, Rng& rng);

  /// Throws when T is above the context, or an id is outside the vocabulary.
  Tensor operator()(const Tensor& ids, const EncoderInputs& how = {}) const;

  /// As it is now: with the heads that are left.
  TransformerOptions options() const;

  TokenEmbedding embedding;
  TransformerStack stack;

 private:
  TransformerOptions options_;
};

}  // namespace rapt::nn
