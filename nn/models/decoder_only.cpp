#include "rapt/nn/models/decoder_only.h"

#include "rapt/autograd/ops.h"
#include "rapt/nn/detail/configuration.h"
#include "rapt/nn/models/detail/kept_heads.h"
#include "rapt/nn/models/detail/parts.h"

namespace rapt::nn {

DecoderOnly::DecoderOnly(const TransformerOptions& o, Rng& rng)
    : embedding(part(TokenEmbedding(embedding_options(o), rng))),
      stack(part(TransformerStack(stack_options(o), rng))),
      options_(filled_in(o, embedding, stack)) {
  if (!o.tie_weights) head = child("head", Linear(o.width, o.vocabulary, rng, {.bias = false}));
  configure_with_layers(detail::values_of("DecoderOnly", options_));
  embedding.initialize(o.stddev, rng);
  stack.initialize(o.stddev, rng);
  if (head) initialize_normal(head->weight, o.stddev, rng);
}

DecoderOnly::DecoderOnly(const Values& configuration, Rng& rng)
    : DecoderOnly(detail::options_of<TransformerOptions>("DecoderOnly", configuration), rng) {
  detail::keep_heads("DecoderOnly", configuration, {{"", stack}});
}

Tensor DecoderOnly::operator()(const Tensor& ids, const DecoderInputs& how) const {
  return call(ids, [&] {
    const CachedCall cached("DecoderOnly", embedding, ids, how.cache, how.lengths);
    const Tensor x = cached.embed();
    const Tensor y = stack(x, {.mask = Mask::causal() & how.mask, .cache = how.cache});
    return head ? (*head)(y) : linear(y, embedding.tokens.weight);
  });
}

}  // namespace rapt::nn
