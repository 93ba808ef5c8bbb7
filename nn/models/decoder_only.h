#pragma once

#include <optional>

#include "rapt/nn/linear.h"
#include "rapt/nn/models/options.h"
#include "rapt/nn/models/stack.h"

namespace rapt::nn {

/// How a model that reads from left to right is called.
struct DecoderInputs {
  /// What each place may attend to beyond causality: Mask::documents(documents), say.
  Mask mask = {};
  /// What the tokens come behind; gains them. See KeyValueCache.
  KeyValueCache* cache = nullptr;
  /// The first lengths[b] tokens count, the others are padding: i64 [B]. For a cache; without one
  /// they make no difference.
  Tensor lengths = {};
};

/// A decoder-only Transformer, as GPT-2: each place predicts the next token from those up to it.
///
/// ids i64 [B, T], T <= context, each in [0, vocabulary) -> logits [B, T, vocabulary]
///
/// The head has no bias. Padding at the right has no say in what comes before it, so it needs no
/// mask.
class DecoderOnly : public Module {
 public:
  DecoderOnly(const TransformerOptions& options, Rng& rng);
  /// As configuration() says, with the heads that are left. Throws for that of another model, and
  /// for names and values that are not its own.
  DecoderOnly(const Values& configuration, Rng& rng);

  /// Throws when T is above the context, or an id is outside the vocabulary. At the end of the
  /// context a cache takes no more tokens: drop the first of them and begin a new one.
  Tensor operator()(const Tensor& ids, const DecoderInputs& how = {}) const;

  /// With what a 0 and what is unset stand for in its place.
  const TransformerOptions& options() const { return options_; }

  TokenEmbedding embedding;
  TransformerStack stack;
  std::optional<Linear> head;  ///< [vocabulary, width], when its weights are not tied

 private:
  TransformerOptions options_;
};

}  // namespace rapt::nn
