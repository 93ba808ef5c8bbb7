#include "rapt/nn/models/decoder_only.h"

#include "rapt/autograd/ops.h"
#include "rapt/nn/models/detail/parts.h"

namespace rapt::nn {

DecoderOnly::DecoderOnly(const TransformerOptions& o, Rng& rng)
    : embedding(part(TokenEmbedding(embedding_options(o), rng))),
      stack(part(TransformerStack(stack_options(o), rng))),
      options_(o) {
  if (!o.tie_weights) head = child("head", Linear(o.width, o.vocabulary, rng, {.bias = false}));
  embedding.initialize(o.stddev, rng);
  stack.initialize(o.stddev, rng);
  if (head) initialize_normal(head->weight, o.stddev, rng);
}

TransformerOptions DecoderOnly::options() const {
  TransformerOptions now = options_;
  now.heads = stack.options().heads;
  return now;
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
