#include "rapt/nn/models/encoder_decoder.h"

#include "rapt/autograd/ops.h"
#include "rapt/nn/detail/configuration.h"
#include "rapt/nn/models/detail/kept_heads.h"
#include "rapt/nn/models/detail/parts.h"

namespace rapt::nn {
namespace {

/// As of a model with that side's stack alone.
TransformerOptions of_side(const EncoderDecoderOptions& o, bool is_target) {
  const SequenceOptions& side = is_target ? o.target : o.source;
  return {.vocabulary = side.vocabulary,
          .context = side.context,
          .width = o.width,
          .layers = is_target ? o.decoder_layers.value_or(o.layers) : o.layers,
          .block = o.block,
          .dropout = o.dropout,
          .positions = o.positions,
          .final_norm = o.final_norm,
          .recompute = o.recompute};
}

TokenEmbedding embedding_of(const EncoderDecoderOptions& o, bool is_target, Rng& rng) {
  return TokenEmbedding(embedding_options(of_side(o, is_target), Positions::sinusoidal), rng);
}

TransformerStack decoder_of(const EncoderDecoderOptions& o, Rng& rng) {
  TransformerStackOptions stack = stack_options(of_side(o, true));
  stack.block.cross_attention = true;
  return TransformerStack(stack, rng);
}

const EncoderDecoderOptions& checked(const EncoderDecoderOptions& o) {
  if (o.block.cross_attention) {
    fail("EncoderDecoder: wanted a block without cross_attention, which the decoder has anyway");
  }
  if (o.share_embeddings &&
      (o.source.vocabulary != o.target.vocabulary || o.source.context != o.target.context)) {
    fail("EncoderDecoder: wanted one vocabulary and context for shared embeddings; got ",
         o.source.vocabulary, " and ", o.target.vocabulary, ", ", o.source.context, " and ",
         o.target.context);
  }
  return o;
}

}  // namespace

EncoderDecoder::EncoderDecoder(const EncoderDecoderOptions& o, Rng& rng)
    : source(child("source", embedding_of(checked(o), false, rng))),
      target(child("target", o.share_embeddings ? source : embedding_of(o, true, rng))),
      encoder(child("encoder", TransformerStack(stack_options(of_side(o, false)), rng))),
      decoder(child("decoder", decoder_of(o, rng))),
      options_(o) {
  options_.block = encoder.options().block;
  options_.decoder_layers = decoder.options().layers;
  options_.positions = target.options().positions;
  options_.final_norm = encoder.options().final_norm;
  configure_with_layers(detail::values_of("EncoderDecoder", options_));
  if (!o.tie_weights) {
    head = child("head", Linear(o.width, o.target.vocabulary, rng, {.bias = false}));
    initialize_normal(head->weight, o.stddev, rng);
  }
  source.initialize(o.stddev, rng);
  if (!o.share_embeddings) target.initialize(o.stddev, rng);
  encoder.initialize(o.stddev, rng);
  decoder.initialize(o.stddev, rng);
}

EncoderDecoder::EncoderDecoder(const Values& configuration, Rng& rng)
    : EncoderDecoder(detail::options_of<EncoderDecoderOptions>("EncoderDecoder", configuration),
                     rng) {
  detail::keep_heads("EncoderDecoder", configuration,
                     {{"encoder.", encoder}, {"decoder.", decoder}});
}

EncodedSource EncoderDecoder::encode(const Tensor& ids, const EncoderInputs& how) const {
  source.check("EncoderDecoder", ids);
  return {encoder(source(ids), {.mask = how.mask & lengths_mask(how.lengths)}), how.lengths};
}

Tensor EncoderDecoder::decode(const Tensor& ids, const EncodedSource& from,
                              const DecoderInputs& how) const {
  const CachedCall cached("EncoderDecoder", target, ids, how.cache, how.lengths);
  const Tensor y = decoder(cached.embed(), {.mask = Mask::causal() & how.mask,
                                            .memory = from.memory,
                                            .memory_mask = lengths_mask(from.lengths),
                                            .cache = how.cache});
  return head ? (*head)(y) : linear(y, target.tokens.weight);
}

Tensor EncoderDecoder::operator()(const Tensor& source_ids, const Tensor& target_ids,
                                  const EncoderInputs& how) const {
  return call(source_ids, [&] { return decode(target_ids, encode(source_ids, how)); });
}

}  // namespace rapt::nn
