#include "rapt/nn/models/encoder.h"

#include "rapt/autograd/error.h"
#include "rapt/nn/detail/configuration.h"
#include "rapt/nn/models/detail/kept_heads.h"
#include "rapt/nn/models/detail/parts.h"

namespace rapt::nn {

Encoder::Encoder(const TransformerOptions& o, Rng& rng)
    : embedding(part(TokenEmbedding(embedding_options(o), rng))),
      stack(part(TransformerStack(stack_options(o), rng))),
      options_(filled_in(o, embedding, stack)) {
  if (o.tie_weights) fail("Encoder: wanted no tied weights, as it has no head");
  configure_with_layers(detail::values_of("Encoder", options_));
  embedding.initialize(o.stddev, rng);
  stack.initialize(o.stddev, rng);
}

Encoder::Encoder(const Values& configuration, Rng& rng)
    : Encoder(detail::options_of<TransformerOptions>("Encoder", configuration), rng) {
  detail::keep_heads("Encoder", configuration, {{"", stack}});
}

Tensor Encoder::operator()(const Tensor& ids, const EncoderInputs& how) const {
  return call(ids, [&] {
    embedding.check("Encoder", ids);
    return stack(embedding(ids), {.mask = how.mask & lengths_mask(how.lengths)});
  });
}

}  // namespace rapt::nn
