#include "rapt/nn/attention/multi_head.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "rapt/autograd/ops.h"
#include "rapt/nn/attention/detail/multi_head_body.h"
#include "rapt/nn/detail/configuration.h"
#include "rapt/nn/detail/fused.h"
#include "rapt/nn/forward_hook.h"
#include "rapt/nn/position/alibi.h"

namespace rapt::nn {
namespace {

using Kind = AttentionPositions::Kind;

/// The options with what 0 stands for in place of it.
MultiHeadAttentionOptions filled_in(MultiHeadAttentionOptions o) {
  constexpr const char* name = "MultiHeadAttention: ";
  if (o.heads < 1) fail(name, "wanted heads >= 1; got ", o.heads);
  if (o.width < 1 || (o.head_width == 0 && o.width % o.heads != 0)) {
    fail(name, "wanted a width that is divisible by heads; got width ", o.width, " and heads ",
         o.heads);
  }
  if (o.head_width < 0) fail(name, "wanted head_width >= 0; got ", o.head_width);
  if (o.memory_width < 0) fail(name, "wanted memory_width >= 0; got ", o.memory_width);
  if (o.key_value_heads < 0 || (o.key_value_heads > 0 && o.heads % o.key_value_heads != 0)) {
    fail(name, "wanted heads that are divisible by key_value_heads; got ", o.heads, " and ",
         o.key_value_heads);
  }
  if (o.window && *o.window < 0) fail(name, "wanted a window >= 0; got ", *o.window);
  const bool is_product = o.score != ScoreKind::additive && o.score != ScoreKind::cosine;
  if (o.soft_cap && !is_product) {
    fail(name, "wanted a soft_cap with a score that is a product; got an additive or cosine one");
  }
  if (o.positions.kind == Kind::relative_keys && o.score != ScoreKind::scaled_dot) {
    fail(name, "wanted the scaled dot with relative_keys, which are added to the keys");
  }
  if (o.head_width == 0) o.head_width = o.width / o.heads;
  if (o.memory_width == 0) o.memory_width = o.width;
  if (o.key_value_heads == 0) o.key_value_heads = o.heads;
  if (!o.dropout) o.dropout = 0.0;
  if (o.positions.kind == Kind::rotary) {
    const RotaryOptions& rotary = o.positions.rotary_options;
    if (rotary.width == 0 && o.head_width % 2 != 0) {
      fail(name, "rotary positions turn pairs: wanted an even head_width; got ", o.head_width);
    }
    if (rotary.offset != 0 || rotary.positions.defined()) {
      fail(name, "wanted rotary options without places, which come from the call");
    }
  }
  return o;
}

Linear map(int64_t in, int64_t heads, const MultiHeadAttentionOptions& o, Rng& rng) {
  return Linear(in, heads * o.head_width, rng, {.bias = o.bias});
}

void check_input(const char* name, const Tensor& x, int64_t width) {
  if (x.rank() != 3 || x.size(-1) != width) {
    fail("MultiHeadAttention: wanted ", name, " [B, T, ", width, "]; got ", x.shape());
  }
}

/// The heads' axis is not the caller's, and with one missing, what is meant for the batch would be
/// read as the heads', or the queries', whenever the two are as long.
void check_mask(const Mask& mask) {
  for (const Tensor& tensor : mask.tensors()) {
    if (tensor.rank() == 4) continue;
    fail("MultiHeadAttention: wanted a mask [B, H, Tq, Tk], 1 where all share it; got ",
         tensor.dtype(), tensor.shape(),
         " (Mask::keys takes [B, Tk], Mask::pairs [Tq, Tk] or [B, Tq, Tk])");
  }
}

/// 0 ... count - 1
std::vector<int64_t> range(int64_t count) {
  std::vector<int64_t> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), int64_t{0});
  return all;
}

Tensor initial_score_weight(const MultiHeadAttentionOptions& o, Rng& rng) {
  const int64_t h = o.heads, d = o.head_width;
  switch (o.score) {
    case ScoreKind::scaled_dot:
    case ScoreKind::dot:
      return {};
    case ScoreKind::bilinear:
      return expand(diag_embed(ones({d})), {h, d, d}).clone();
    case ScoreKind::additive: {
      const double bound = 1 / std::sqrt(static_cast<double>(d));
      return rng.uniform({h, d}, -bound, bound);
    }
    case ScoreKind::cosine:
      return full({h, 1, 1}, 10);
  }
  return {};
}

}  // namespace

Tensor split_heads(const Tensor& x, int64_t heads) {
  Shape apart = x.shape();
  const int64_t last = apart.rank() - 1;
  if (heads < 1 || last < 1 || apart[last] % heads != 0) {
    fail("split_heads: wanted x [..., T, width] whose width is divisible by heads; got ", apart,
         " and heads ", heads);
  }
  apart[last] /= heads;
  apart.insert(last, heads);  // [..., T, heads, d]
  return transpose(reshape(x, apart), -3, -2);
}

Tensor merge_heads(const Tensor& x) {
  if (x.rank() < 3) fail("merge_heads: wanted x [..., heads, T, d]; got ", x.shape());
  const Tensor beside = transpose(x, -3, -2);  // [..., T, heads, d]
  Shape joined = beside.shape();
  const int64_t heads = joined.rank() - 2;
  joined[heads + 1] *= joined[heads];
  joined.erase(heads);
  return reshape(beside, joined);
}

const MultiHeadAttentionOptions& MultiHeadAttention::options() const { return body_->options; }

const std::vector<int64_t>& MultiHeadAttention::kept_heads() const { return body_->kept_heads; }

MultiHeadAttention::MultiHeadAttention(const MultiHeadAttentionOptions& given, Rng& rng)
    : MultiHeadAttention(Filled{filled_in(given)}, rng) {}

MultiHeadAttention::MultiHeadAttention(const Filled& filled, Rng& rng)
    : query(child("query", map(filled.options.width, filled.options.heads, filled.options, rng))),
      key(child("key", map(filled.options.memory_width, filled.options.key_value_heads,
                           filled.options, rng))),
      value(child("value", map(filled.options.memory_width, filled.options.key_value_heads,
                               filled.options, rng))),
      output(child("output", Linear(filled.options.heads * filled.options.head_width,
                                    filled.options.width, rng, {.bias = filled.options.bias}))),
      dropout(child("dropout", Dropout(*filled.options.dropout, rng))),
      heads(child("heads", Probe())),
      weights(child("weights", Probe())),
      body_(std::make_shared<Body>(Body{filled.options, range(filled.options.heads)})) {
  const MultiHeadAttentionOptions& o = filled.options;
  configure_with_layers(detail::values_of(o));
  if (o.query_key_norm) {
    query_norm = child("query_norm", Norm(*o.query_key_norm, o.head_width));
    key_norm = child("key_norm", Norm(*o.query_key_norm, o.head_width));
  }
  if (o.positions.kind == Kind::relative_bias) {
    relative_bias = child("relative_bias", RelativeBias({.heads = o.heads,
                                                         .buckets = o.positions.buckets,
                                                         .max_distance = o.positions.max_distance},
                                                        rng));
  }
  if (o.positions.kind == Kind::relative_keys) {
    relative_keys = child(
        "relative_keys",
        RelativeKeys({.head_width = o.head_width, .max_distance = o.positions.max_distance}, rng));
  }
  if (o.gate) gate = child("gate", map(o.width, o.heads, o, rng));
  if (const Tensor weight = initial_score_weight(o, rng); weight.defined()) {
    score_weight = parameter("score_weight", weight);
  }
  if (o.sink) sink = parameter("sink", zeros({o.heads}));
  if (o.value_residual) value_mix = parameter("value_mix", full({2}, 0.5));
}

Tensor MultiHeadAttention::heads_of(const Tensor& x) const {
  return split_heads(x, x.size(2) / options().head_width);
}

Tensor MultiHeadAttention::operator()(const Tensor& x, const AttendOptions& how) const {
  return call(x, [&] {
    check_input("x", x, options().width);
    check_mask(how.mask);
    if (options().memory_width != options().width) {
      fail("MultiHeadAttention: wanted a memory [B, T, ", options().memory_width,
           "], of which its keys and values are made; got x alone");
    }
    const Tensors maps = call_each(x, {&query, &key, &value});
    return self_attend(x, heads_of(maps[0]), heads_of(maps[1]), heads_of(maps[2]), how);
  });
}

Tensor MultiHeadAttention::operator()(const Tensor& x, const Tensor& memory,
                                      const AttendOptions& how) const {
  return call(x, [&] {
    if (options().positions.kind != Kind::none || options().window) {
      fail("MultiHeadAttention: positions and windows are for self-attention only");
    }
    check_input("x", x, options().width);
    check_input("memory", memory, options().memory_width);
    check_mask(how.mask);
    const auto keys_and_values = [&]() -> KeyValueCache::KeysAndValues {
      const Tensors maps = call_each(memory, {&key, &value});
      const Tensor k = heads_of(maps[0]);
      return {key_norm ? (*key_norm)(k) : k, heads_of(maps[1])};
    };
    Tensor q = heads_of(query(x));
    if (query_norm) q = (*query_norm)(q);
    const auto [k, v] =
        how.cache ? how.cache->of_memory(body_, memory, keys_and_values) : keys_and_values();
    return attend(x, q, k, v, how.mask, score_of(q, k.size(2), {}), how);
  });
}

Score MultiHeadAttention::score_of(const Tensor& q, int64_t keys, const Tensor& starts) const {
  const auto base = [&] {
    switch (options().score) {
      case ScoreKind::scaled_dot:
        return options().soft_cap ? Score::scaled_dot({.soft_cap = options().soft_cap}) : Score();
      case ScoreKind::dot:
        return Score::dot({.soft_cap = options().soft_cap});
      case ScoreKind::bilinear:
        return Score::bilinear(score_weight, {.soft_cap = options().soft_cap});
      case ScoreKind::additive:
        return Score::additive(score_weight);
      case ScoreKind::cosine:
        return Score::cosine(score_weight);
    }
    return Score();
  };
  const int64_t queries = q.size(2);
  switch (options().positions.kind) {
    case Kind::none:
    case Kind::rotary:
      break;
    case Kind::alibi:
      return base().with_relative_bias(
          alibi(slopes_of_kept_heads(q.dtype()), queries, keys, starts));
    case Kind::relative_bias:
      return base().with_relative_bias((*relative_bias)(queries, keys, starts));
    case Kind::relative_keys:
      return (*relative_keys)(q, base(), starts);
  }
  return base();
}

Tensor MultiHeadAttention::slopes_of_kept_heads(Dtype dtype) const {
  const Tensor slopes = alibi_slopes(options().heads, dtype);
  const auto count = static_cast<int64_t>(kept_heads().size());
  if (count == options().heads && std::ranges::is_sorted(kept_heads())) return slopes;  // all
  return index_select(slopes, 0, from_values(kept_heads(), {count}));
}

Tensor MultiHeadAttention::self_attend(const Tensor& x, Tensor q, Tensor k, Tensor v,
                                       const AttendOptions& how) const {
  if (query_norm) {
    q = (*query_norm)(q);
    k = (*key_norm)(k);
  }
  v = mixed_values(v, how);
  const KeyValueCache* const before = how.cache;
  if (options().positions.kind == Kind::rotary) {
    RotaryOptions places = options().positions.rotary_options;
    if (before && before->starts().defined()) {
      places.positions = unsqueeze(before->places(), 1);  // [B, 1, T]
    } else if (before) {
      places.offset = before->start();
    }
    q = rotary(q, places);
    k = rotary(k, places);
  }
  Mask mask = how.mask;
  if (options().window) mask = mask & Mask::window(*options().window, *options().window);
  Tensor starts;
  if (how.cache) {
    std::tie(k, v) = how.cache->extend(body_, k, v);
    starts = before->starts();
    if (starts.defined()) mask = mask.at(starts);
    if (before->ends().defined()) mask = mask & Mask::lengths(before->ends());
  }
  return attend(x, q, k, v, mask, score_of(q, k.size(2), starts), how);
}

Tensor MultiHeadAttention::attend(const Tensor& x, const Tensor& q, const Tensor& k,
                                  const Tensor& v, const Mask& mask, const Score& score,
                                  const AttendOptions& how) const {
  const AttentionOptions options{.mask = mask,
                                 .score = score,
                                 .sink = sink,
                                 .grouped = k.size(1) != q.size(1),
                                 .dropout = dropout.probability(),
                                 .rng = &dropout.rng()};
  if (how.weights) *how.weights = attention_weights(q, k, options);
  const Tensor y = ForwardHook::any() ? heads_through_hooks(q, k, v, options)
                                      : attention(q, k, v, options);  // [B, H, Tq, d]
  const Tensor joined = merge_heads(y);                               // [B, Tq, H d]
  return output(gate ? joined * sigmoid((*gate)(x)) : joined);
}

/// As hooks see and leave it.
Tensor MultiHeadAttention::heads_through_hooks(const Tensor& q, const Tensor& k, const Tensor& v,
                                               const AttentionOptions& options) const {
  Tensor other;  // the weights that hooks put in the place of the layer's
  if (ForwardHook::any_for_attention_weights()) other = weights(attention_weights(q, k, options));
  Tensor y;
  if (other.defined()) {
    const int64_t shared = v.size(1), by = q.size(1) / shared;
    const Tensor each = expand(unsqueeze(v, 2), {v.size(0), shared, by, v.size(2), v.size(3)});
    y = matmul(dropout(other), reshape(each, {v.size(0), shared * by, v.size(2), v.size(3)}));
  } else {
    y = attention(q, k, v, options);
  }
  const Tensor changed = heads(y);
  return changed.defined() ? changed : y;
}

Tensor MultiHeadAttention::mixed_values(const Tensor& v, const AttendOptions& how) const {
  if (value_mix.defined() && !how.first_values) {
    fail("MultiHeadAttention: wanted first_values, as it was built with value_residual");
  }
  if (!how.first_values) return v;
  if (!how.first_values->defined()) *how.first_values = v;
  if (!value_mix.defined()) return v;
  const Tensor& first = *how.first_values;
  if (first.shape() != v.shape()) {
    fail("MultiHeadAttention: wanted first_values ", v.shape(), ", as its own; got ",
         first.shape());
  }
  const Tensor own = v * select(value_mix, 0, 0);  // first, whatever the compiler
  return own + first * select(value_mix, 0, 1);
}

}  // namespace rapt::nn
