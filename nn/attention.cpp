#include "rapt/nn/attention.h"

#include "rapt/autograd/ops.h"
#include "rapt/nn/detail/fused.h"

namespace rapt::nn {
namespace {

const MultiHeadAttentionOptions& checked(const MultiHeadAttentionOptions& options) {
  if (options.heads < 1 || options.width < 1 || options.width % options.heads != 0) {
    fail("MultiHeadAttention: wanted a width that is divisible by heads; got width ", options.width,
         " and heads ", options.heads);
  }
  if (options.memory_width < 0) {
    fail("MultiHeadAttention: wanted memory_width >= 0; got ", options.memory_width);
  }
  if (options.rotary && options.width / options.heads % 2 != 0) {
    fail("MultiHeadAttention: rotary positions turn pairs: wanted an even width / heads; got ",
         options.width, " / ", options.heads);
  }
  return options;
}

int64_t memory_width(const MultiHeadAttentionOptions& options) {
  return options.memory_width > 0 ? options.memory_width : options.width;
}

void check_input(const char* name, const Tensor& x, int64_t width) {
  if (x.rank() != 3 || x.size(-1) != width) {
    fail("MultiHeadAttention: wanted ", name, " [B, T, ", width, "]; got ", x.shape());
  }
}

}  // namespace

MultiHeadAttention::MultiHeadAttention(const MultiHeadAttentionOptions& options, Rng& rng)
    : query(child("query",
                  Linear(checked(options).width, options.width, rng, {.bias = options.bias}))),
      key(child("key", Linear(memory_width(options), options.width, rng, {.bias = options.bias}))),
      value(child("value",
                  Linear(memory_width(options), options.width, rng, {.bias = options.bias}))),
      output(child("output", Linear(options.width, options.width, rng, {.bias = options.bias}))),
      dropout(child("dropout", Dropout(options.dropout, rng))),
      heads_(options.heads),
      rotary_(options.rotary) {}

Tensor MultiHeadAttention::heads_of(const Tensor& x) const {
  return transpose(reshape(x, {x.size(0), x.size(1), heads_, x.size(2) / heads_}), 1, 2);
}

Tensor MultiHeadAttention::operator()(const Tensor& x, const AttendOptions& how) const {
  return call(x, [&] {
    check_input("x", x, query.weight.size(1));
    const Tensors maps = call_each(x, {&query, &key, &value});
    Tensor q = heads_of(maps[0]);  // [B, H, T, d]
    Tensor k = heads_of(maps[1]);
    if (rotary_) {
      q = rotary(q);
      k = rotary(k);
    }
    return attend(q, k, heads_of(maps[2]), how);
  });
}

Tensor MultiHeadAttention::operator()(const Tensor& x, const Tensor& memory,
                                      const AttendOptions& how) const {
  return call(x, [&] {
    if (rotary_) fail("MultiHeadAttention: rotary positions are for self-attention only");
    check_input("x", x, query.weight.size(1));
    check_input("memory", memory, key.weight.size(1));
    const Tensors maps = call_each(memory, {&key, &value});
    return attend(heads_of(query(x)), heads_of(maps[0]), heads_of(maps[1]), how);
  });
}

Tensor MultiHeadAttention::attend(const Tensor& q, const Tensor& k, const Tensor& v,
                                  const AttendOptions& how) const {
  const AttentionOptions options{
      .mask = how.mask, .dropout = dropout.probability(), .rng = &dropout.rng()};
  if (how.weights) *how.weights = attention_weights(q, k, options);
  const Tensor heads = attention(q, k, v, options);  // [B, H, Tq, d]
  const Tensor sides = transpose(heads, 1, 2);       // [B, Tq, H, d]
  return output(reshape(sides, {q.size(0), q.size(2), query.weight.size(0)}));
}

}  // namespace rapt::nn
