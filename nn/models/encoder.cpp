#include "rapt/nn/models/encoder.h"

#include "rapt/autograd/error.h"
#include "rapt/nn/models/detail/parts.h"

namespace rapt::nn {

Encoder::Encoder(const TransformerOptions& o, Rng& rng)
    : embedding(part(TokenEmbedding(embedding_options(o), rng))),
      stack(part(TransformerStack(stack_options(o), rng))),
      options_(o) {
  if (o.tie_weights) fail("Encoder: wanted no tied weights, as it has no head");
  embedding.initialize(o.stddev, rng);
  stack.initialize(o.stddev, rng);
}

TransformerOptions Encoder::options() const {
  TransformerOptions now = options_;
  now.heads = stack.options().heads;
  return now;
}

Tensor Encoder::operator()(const Tensor& ids, const EncoderInputs& how) const {
  return call(ids, [&] {
    embedding.check("Encoder", ids);
    return stack(embedding(ids), {.mask = how.mask & lengths_mask(how.lengths)});
  });
}

}  // namespace rapt::nn
