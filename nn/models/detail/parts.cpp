#include "rapt/nn/models/detail/parts.h"

#include "rapt/autograd/ops.h"
#include "rapt/nn/init.h"

namespace rapt::nn {

TokenEmbeddingOptions embedding_options(const TransformerOptions& o, Positions by_default) {
  const bool attention_knows = o.block.attention.positions.kind != AttentionPositions::Kind::none;
  return {.vocabulary = o.vocabulary,
          .context = o.context,
          .width = o.width,
          .positions = o.positions.value_or(attention_knows ? Positions::none : by_default),
          .dropout = o.dropout};
}

TransformerStackOptions stack_options(const TransformerOptions& o) {
  TransformerStackOptions stack{.width = o.width,
                                .layers = o.layers,
                                .block = o.block,
                                .windows = o.windows,
                                .final_norm = o.final_norm,
                                .recompute = o.recompute};
  if (!stack.block.dropout) stack.block.dropout = o.dropout;
  return stack;
}

TransformerOptions filled_in(TransformerOptions o, const TokenEmbedding& embedding,
                             const TransformerStack& stack) {
  o.block = stack.options().block;
  o.positions = embedding.options().positions;
  o.final_norm = stack.options().final_norm;
  return o;
}

Mask lengths_mask(const Tensor& lengths) {
  return lengths.defined() ? Mask::lengths(lengths) : Mask();
}

void initialize_normal(const Tensor& weight, double stddev, Rng& rng) {
  Tensor(weight).copy_from(gpt2_normal(weight.shape(), rng, 1, stddev));
}

CachedCall::CachedCall(const char* model, const TokenEmbedding& embedding, const Tensor& ids,
                       KeyValueCache* cache, const Tensor& lengths)
    : embedding_(embedding), ids_(ids), cache_(cache) {
  embedding.check(model, ids, cache ? cache->longest() : 0);
  if (cache) step_.emplace(*cache, ids.size(0), ids.size(1), lengths);
}

Tensor CachedCall::embed() const {
  return cache_ ? embedding_(ids_, cache_->places()) : embedding_(ids_);
}

}  // namespace rapt::nn
