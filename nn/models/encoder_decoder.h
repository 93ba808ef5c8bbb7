#pragma once

#include <optional>

#include "rapt/nn/linear.h"
#include "rapt/nn/models/decoder_only.h"
#include "rapt/nn/models/encoder.h"

namespace rapt::nn {

/// Of one side.
struct SequenceOptions {
  int64_t vocabulary = 0;
  int64_t context = 0;  ///< see TransformerOptions
};

struct EncoderDecoderOptions {
  SequenceOptions source = {};  ///< what is read
  SequenceOptions target = {};  ///< what is written
  int64_t width = 64;
  int64_t layers = 2;                          ///< of the encoder, and of the decoder
  std::optional<int64_t> decoder_layers = {};  ///< unset: as many
  /// Whoever gives a block gives its heads too.
  TransformerBlockOptions block = {.attention = {.heads = 4}};
  double dropout = 0;  ///< of embeddings, and of each part that has none of its own
  /// Unset: sinusoidal, as in the paper, or none if block.attention knows where tokens stand.
  std::optional<Positions> positions = {};
  std::optional<bool> final_norm = {};  ///< of both: see TransformerStackOptions
  bool share_embeddings = false;        ///< one vocabulary and table for both sides (section 3.4)
  bool tie_weights = false;             ///< the head uses the embedding of the target's tokens
  double stddev = 0.02;    ///< of the initial weights: see TransformerStack::initialize
  bool recompute = false;  ///< see TransformerStackOptions
};

/// What the encoder has made of the source.
struct EncodedSource {
  Tensor memory = {};   ///< [B, S, width]
  Tensor lengths = {};  ///< i64 [B]; undefined if nothing is padding
};

/// The Transformer of "Attention is all you need" (arXiv:1706.03762): an encoder reads the source,
/// a decoder writes the target from left to right and attends to what the encoder made.
///
/// source i64 [B, S], target i64 [B, T] -> logits [B, T, target vocabulary]: each place predicts
/// the next token of the target, whose first is a token that begins all. The head has no bias.
class EncoderDecoder : public Module {
 public:
  EncoderDecoder(const EncoderDecoderOptions& options, Rng& rng);
  /// As configuration() says, with the heads that are left. Throws for that of another model, and
  /// for names and values that are not its own.
  EncoderDecoder(const Values& configuration, Rng& rng);

  /// how.lengths: of the source. Padding at the right of the target needs none.
  Tensor operator()(const Tensor& source, const Tensor& target,
                    const EncoderInputs& how = {}) const;

  /// The two halves, for a source that is read once: decode(target, encode(source, how)).
  EncodedSource encode(const Tensor& source, const EncoderInputs& how = {}) const;
  Tensor decode(const Tensor& target, const EncodedSource& source,
                const DecoderInputs& how = {}) const;

  /// With what a 0 and what is unset stand for in its place.
  const EncoderDecoderOptions& options() const { return options_; }

  TokenEmbedding source, target;  ///< the same when they are shared
  TransformerStack encoder, decoder;
  std::optional<Linear> head;  ///< [vocabulary, width], when its weights are not tied

 private:
  EncoderDecoderOptions options_;
};

}  // namespace rapt::nn
