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
  /// As configuration() says, with the heads that are left. Throws for that of another model, and
  /// for names and values that are not its own.
  Encoder(const Values& configuration, Rng& rng);

  /// Throws when T is above the context, or an id is outside the vocabulary.
  Tensor operator()(const Tensor& ids, const EncoderInputs& how = {}) const;

  /// With what a 0 and what is unset stand for in its place.
  const TransformerOptions& options() const { return options_; }

  TokenEmbedding embedding;
  TransformerStack stack;

 private:
  TransformerOptions options_;
};

}  // namespace rapt::nn
