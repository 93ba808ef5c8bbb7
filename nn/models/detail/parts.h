#pragma once

// Private to the models: what they share.

#include <optional>

#include "rapt/nn/attention/cache.h"
#include "rapt/nn/models/options.h"
#include "rapt/nn/models/stack.h"

namespace rapt::nn {

/// Of a model's parts. by_default: what is added to the embeddings, if the user does not say and
/// attention does not know where tokens stand.
TokenEmbeddingOptions embedding_options(const TransformerOptions& o,
                                        Positions by_default = Positions::learned);
TransformerStackOptions stack_options(const TransformerOptions& o);
/// The options with what a 0 and what is unset stand for, which the parts know.
TransformerOptions filled_in(TransformerOptions o, const TokenEmbedding& embedding,
                             const TransformerStack& stack);

/// Mask::lengths, or none if lengths is undefined.
Mask lengths_mask(const Tensor& lengths);

/// Normal, with that standard deviation.
void initialize_normal(const Tensor& weight, double stddev, Rng& rng);

/// A call with or without a cache, while it lives: checks the ids, and is the cache's step.
class CachedCall {
 public:
  /// `model` is what the user called.
  CachedCall(const char* model, const TokenEmbedding& embedding, const Tensor& ids,
             KeyValueCache* cache, const Tensor& lengths);
  /// The ids, embedded at their places.
  Tensor embed() const;

 private:
  const TokenEmbedding& embedding_;
  const Tensor ids_;
  KeyValueCache* const cache_;
  std::optional<CacheStep> step_;
};

}  // namespace rapt::nn
