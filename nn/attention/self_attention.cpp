#include "rapt/nn/attention/self_attention.h"

#include <cmath>

#include "rapt/autograd/ops.h"
#include "rapt/nn/detail/configuration.h"

namespace rapt::nn {
namespace {

int64_t head_width(int64_t embed_size, int64_t heads) {
  if (embed_size < 1 || heads < 1 || embed_size % heads != 0) {
    fail("SelfAttention: wanted an embed_size that is divisible by heads; got embed_size ",
         embed_size, " and heads ", heads);
  }
  return embed_size / heads;
}

Linear head_map(int64_t embed_size, int64_t heads, Rng& rng) {
  const int64_t head_dim = head_width(embed_size, heads);
  return Linear(head_dim, head_dim, rng, {.bias = false});
}

}  // namespace

SelfAttention::SelfAttention(int64_t embed_size, int64_t heads, Rng& rng,
                             SelfAttentionOptions options)
    : values(child("values", head_map(embed_size, heads, rng))),
      keys(child("keys", head_map(embed_size, heads, rng))),
      queries(child("queries", head_map(embed_size, heads, rng))),
      fc_out(child("fc_out", Linear(embed_size, embed_size, rng))),
      heads_(heads),
      maps_(options.maps) {
  Values settings = detail::values_of(options);
  settings.set("heads", heads);
  configure(settings);
}

Tensor SelfAttention::operator()(const Tensor& value, const Tensor& key, const Tensor& query,
                                 const Tensor& mask) const {
  return call(value, [&] { return attend(value, key, query, mask); });
}

Tensor SelfAttention::attend(const Tensor& value, const Tensor& key, const Tensor& query,
                             const Tensor& mask) const {
  const int64_t embed_size = fc_out.weight.size(0);
  for (const Tensor& x : {value, key, query}) {
    if (x.rank() != 3 || x.size(2) != embed_size) {
      fail("SelfAttention: wanted values, keys and query [N, T, ", embed_size, "]; got ",
           value.shape(), ", ", key.shape(), " and ", query.shape());
    }
  }

  if (mask.defined() && mask.rank() != 4) {
    fail("SelfAttention: wanted a mask [N, heads, Tq, Tk], 1 where all share it; got ",
         mask.shape());
  }

  const auto heads_of = [&](const Tensor& x, const Linear& map) {
    const Tensor heads = reshape(x, {x.size(0), x.size(1), heads_, embed_size / heads_});
    return maps_ ? map(heads) : heads;
  };
  const Tensor v = heads_of(value, values);   // [N, Tk, H, d]
  const Tensor k = heads_of(key, keys);       // [N, Tk, H, d]
  const Tensor q = heads_of(query, queries);  // [N, Tq, H, d]

  Tensor energy = einsum("nqhd,nkhd->nhqk", {q, k});  // [N, H, Tq, Tk]
  if (mask.defined()) energy = masked_fill(energy, logical_not(mask), -1e20);
  const Tensor attention = softmax(energy / std::sqrt(static_cast<double>(embed_size)), 3);

  const Tensor out = einsum("nhql,nlhd->nqhd", {attention, v});  // [N, Tq, H, d]
  return fc_out(reshape(out, query.shape()));
}

}  // namespace rapt::nn
