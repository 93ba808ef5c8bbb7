#pragma once

#include <optional>

#include "rapt/nn/dropout.h"
#include "rapt/nn/embedding.h"
#include "rapt/nn/position/learned.h"

namespace rapt::nn {

/// What is added to the embedding of a token for its place: see position/.
enum class Positions { none, learned, sinusoidal };

struct TokenEmbeddingOptions {
  int64_t vocabulary = 0;
  int64_t context = 0;  ///< the longest sequence, in tokens; 0 for any, if positions is none
  int64_t width = 0;
  Positions positions = Positions::learned;
  double dropout = 0;
};

/// Tokens and where they stand.   ids i64 [B, T], each in [0, vocabulary) -> [B, T, width]
///
/// Sinusoidal positions come with embeddings times sqrt(width) (arXiv:1706.03762, section 3.4).
class TokenEmbedding : public Module {
 public:
  TokenEmbedding(const TokenEmbeddingOptions& options, Rng& rng);

  /// Throws when T is above the context, or an id is outside the vocabulary.
  Tensor operator()(const Tensor& ids) const;
  /// Of tokens that stand at these places: i64 [T], or [B, T].
  Tensor operator()(const Tensor& ids, const Tensor& places) const;

  const TokenEmbeddingOptions& options() const { return options_; }

  /// Throws unless ids are i64 [B, T] that end within the context, `before` tokens coming first.
  /// `model` is what the user called.
  void check(const char* model, const Tensor& ids, int64_t before = 0) const;

  /// Normal, with that standard deviation.
  void initialize(double stddev, Rng& rng);

  Embedding tokens;
  Dropout dropout;
  std::optional<LearnedPositions> positions;

 private:
  Tensor with_places(const Tensor& ids, const Tensor& places) const;

  TokenEmbeddingOptions options_;
  Tensor sinusoids_;  // f64 [context, width], when positions are sinusoidal
};

}  // namespace rapt::nn
