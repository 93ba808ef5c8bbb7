// DecoderOnly and EncoderDecoder.decode with a KeyValueCache: what is seen before and then goes on,
// one token or several at a time, has the bits of the whole.

#include <gtest/gtest.h>

#include "../../support/tensors.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/models/decoder_only.h"
#include "rapt/nn/models/encoder_decoder.h"

namespace rapt::nn {
namespace {

using tests::error_of;
using tests::same_bits;
using Where = AttentionPositions;

constexpr int64_t vocabulary = 13, context = 150;

struct Case {
  std::string name;
  TransformerBlockOptions block = {};
  std::optional<Positions> positions = {};
  std::vector<std::optional<int64_t>> windows = {};
  bool tie_weights = false;
};

std::vector<Case> cases() {
  return {
      {.name = "learned", .positions = Positions::learned},
      {.name = "sinusoidal, post-norm",
       .block = {.pre_norm = false},
       .positions = Positions::sinusoidal},
      {.name = "no positions, tied", .positions = Positions::none, .tie_weights = true},
      {.name = "learned and rotary",
       .block = {.attention = {.positions = Where::rotary({.base = 500})}},
       .positions = Positions::learned},
      {.name = "rotary, grouped, windows, RMSNorm, gated",
       .block = {.attention = {.key_value_heads = 2, .positions = Where::rotary()},
                 .feed_forward = {.activation = Activation::silu, .gated = true},
                 .norm = NormKind::rms},
       .windows = {5, std::nullopt}},
      {.name = "ALiBi, one head of keys, value_residual",
       .block = {.attention = {.key_value_heads = 1,
                               .positions = Where::alibi(),
                               .value_residual = true}}},
      {.name = "relative_bias, sink, gate",
       .block = {.attention = {.positions = Where::relative_bias(8, 40),
                               .sink = true,
                               .gate = true}}},
      {.name = "relative_keys, norm",
       .block = {.attention = {.query_key_norm = NormKind::rms,
                               .positions = Where::relative_keys(7)}},
       .windows = {std::nullopt, 30}},
      {.name = "rotary, value_residual, windows, tied",
       .block = {.attention = {.key_value_heads = 2,
                               .positions = Where::rotary({.width = 4}),
                               .value_residual = true}},
       .windows = {9, std::nullopt},
       .tie_weights = true},
  };
}

TransformerOptions options_of(const Case& c) {
  TransformerOptions o{.vocabulary = vocabulary,
                       .context = context,
                       .width = 24,
                       .layers = 3,
                       .block = c.block,
                       .positions = c.positions,
                       .windows = c.windows,
                       .tie_weights = c.tie_weights,
                       .stddev = 0.3};
  o.block.attention.heads = 4;
  return o;
}

EncoderDecoderOptions both_of(const Case& c) {
  const TransformerOptions o = options_of(c);
  return {.source = {.vocabulary = vocabulary, .context = context},
          .target = {.vocabulary = vocabulary, .context = context},
          .width = o.width,
          .layers = 1,
          .decoder_layers = 2,
          .block = o.block,
          .positions = o.positions,
          .tie_weights = o.tie_weights,
          .stddev = o.stddev};
}

Tensor ids_of(uint64_t seed, int64_t rows, int64_t length) {
  Rng rng(seed);
  return rng.integers(0, vocabulary, {rows, length});
}

/// call(ids, inputs) is the model. One pass over all, and the same in pieces.
template <class Call>
void expect_pieces(Call call, int64_t rows) {
  const Tensor ids = ids_of(3, rows, 140);
  const Tensor whole = call(ids, DecoderInputs{});
  KeyValueCache cache;
  int64_t begin = 0;
  for (const int64_t end : {1, 2, 70, 71, 127, 128, 129, 130, 139, 140}) {
    const Tensor y = call(slice(ids, 1, begin, end), DecoderInputs{.cache = &cache});
    EXPECT_TRUE(same_bits(y, slice(whole, 1, begin, end))) << begin << " to " << end;
    begin = end;
  }
}

/// Prompts of these lengths, padded at the right with other tokens, then a few more each.
template <class Call>
void expect_ragged(Call call) {
  const std::vector<int64_t> prompts = {126, 1, 61};
  const Tensor ids = ids_of(4, 3, 150), others = ids_of(5, 3, 150);
  const Tensor whole = call(ids, DecoderInputs{});
  Tensor given = slice(ids, 1, 0, 126).clone();
  for (int64_t b = 0; b < 3; ++b) {
    const int64_t n = prompts[static_cast<size_t>(b)];
    slice(given[b], 0, n, 126).copy_from(slice(others[b], 0, n, 126));
  }
  KeyValueCache cache;
  std::vector<int64_t> at(3);
  // The first counts[b] tokens of `next` go on.
  const auto step = [&](const Tensor& next, const std::vector<int64_t>& counts) {
    const Tensor y = call(next, DecoderInputs{.cache = &cache, .lengths = from_values(counts)});
    for (int64_t b = 0; b < 3; ++b) {
      int64_t& begin = at[static_cast<size_t>(b)];
      const int64_t n = counts[static_cast<size_t>(b)];
      EXPECT_TRUE(same_bits(slice(y[b], 0, 0, n), slice(whole[b], 0, begin, begin + n)))
          << "sequence " << b << " from " << begin;
      begin += n;
    }
    EXPECT_EQ(cache.lengths(), at);
  };
  step(given, prompts);
  for (const std::vector<int64_t>& counts :
       std::vector<std::vector<int64_t>>{{1, 1, 1}, {1, 1, 1}, {2, 7, 3}, {1, 1, 1}, {0, 8, 5}}) {
    const int64_t longest = std::ranges::max(counts);
    Tensors rows;
    for (int64_t b = 0; b < 3; ++b) {
      const int64_t begin = at[static_cast<size_t>(b)], n = counts[static_cast<size_t>(b)];
      rows.push_back(
          concat({slice(ids[b], 0, begin, begin + n), slice(others[b], 0, n, longest)}, 0));
    }
    step(stack(rows, 0), counts);
  }
}

TEST(CachedDecoding, OfDecoderOnlyHasTheBitsOfTheWhole) {
  const NoGrad no_grad;
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    Rng rng(1);
    const DecoderOnly model(options_of(c), rng);
    const auto call = [&](const Tensor& ids, const DecoderInputs& how) { return model(ids, how); };
    expect_pieces(call, 1);
    expect_pieces(call, 3);
    expect_ragged(call);
  }
}

TEST(CachedDecoding, OfEncoderDecoderHasTheBitsOfTheWhole) {
  const NoGrad no_grad;
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    Rng rng(2);
    const EncoderDecoder model(both_of(c), rng);
    for (const int64_t rows : {1, 3}) {
      const Tensor lengths = rows == 1 ? Tensor() : from_values<int64_t>({140, 2, 33});
      const EncodedSource source = model.encode(ids_of(6, rows, 140), {.lengths = lengths});
      const auto call = [&](const Tensor& ids, const DecoderInputs& how) {
        return model.decode(ids, source, how);
      };
      expect_pieces(call, rows);
      if (rows == 3) expect_ragged(call);
    }
  }
}

// As beams do.
TEST(CachedDecoding, GoesOnInSelectedSequences) {
  const NoGrad no_grad;
  Rng rng(7);
  const Case c = cases()[4];
  const DecoderOnly decoder(options_of(c), rng);
  const EncoderDecoder both(both_of(c), rng);
  const Tensor ids = ids_of(8, 3, 40), next = ids_of(9, 3, 1);
  const EncodedSource source = both.encode(ids_of(10, 3, 20));
  const std::vector<int64_t> rows = {2, 0, 2};
  const Tensor picked = from_values(rows);
  KeyValueCache first, second;
  decoder(ids, {.cache = &first});
  both.decode(ids, source, {.cache = &second});
  first.select(rows);
  second.select(rows);
  const Tensor whole = concat({index_select(ids, 0, picked), next}, 1);
  const EncodedSource selected{.memory = index_select(source.memory, 0, picked)};
  EXPECT_TRUE(same_bits(decoder(next, {.cache = &first}), slice(decoder(whole), 1, 40, 41)));
  EXPECT_TRUE(same_bits(both.decode(next, selected, {.cache = &second}),
                        slice(both.decode(whole, selected), 1, 40, 41)));
}

TEST(CachedDecoding, EndsWithTheContextAndLeavesTheCache) {
  const NoGrad no_grad;
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    Rng rng(11);
    const DecoderOnly decoder(options_of(c), rng);
    const EncoderDecoder both(both_of(c), rng);
    const EncodedSource source = both.encode(ids_of(12, 2, 5));
    const auto expect = [&](const char* name, auto call) {
      const Tensor ids = ids_of(13, 2, 152), whole = call(slice(ids, 1, 0, 150), DecoderInputs{});
      KeyValueCache cache;
      const auto go_on = [&](int64_t begin, int64_t end) {
        return call(slice(ids, 1, begin, end), DecoderInputs{.cache = &cache});
      };
      go_on(0, 148);
      EXPECT_EQ(error_of([&] { go_on(148, 151); }),
                text(name,
                     ": wanted at most 150 tokens, the context; got 151, of which the cache "
                     "holds 148"));
      EXPECT_EQ(error_of([&] {
                  call(full({2, 1}, vocabulary, Dtype::i64), DecoderInputs{.cache = &cache});
                }).substr(0, 34),
                "embedding: wanted indices in [0, 1");
      EXPECT_EQ(cache.lengths(), (std::vector<int64_t>{148, 148}));
      EXPECT_TRUE(same_bits(go_on(148, 150), slice(whole, 1, 148, 150)));
      EXPECT_EQ(error_of([&] { go_on(150, 151); }),
                text(name,
                     ": wanted at most 150 tokens, the context; got 151, of which the cache "
                     "holds 150"));
      cache.truncate({148, 20});
      EXPECT_TRUE(same_bits(go_on(148, 149)[0], slice(whole, 1, 148, 149)[0]));
    };
    expect("DecoderOnly",
           [&](const Tensor& ids, const DecoderInputs& how) { return decoder(ids, how); });
    expect("EncoderDecoder", [&](const Tensor& ids, const DecoderInputs& how) {
      return both.decode(ids, source, how);
    });
  }
}

TEST(CachedDecoding, OfNoTokens) {
  const NoGrad no_grad;
  Rng rng(14);
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const DecoderOnly model(options_of(c), rng);
    const Tensor ids = ids_of(15, 2, 9), whole = model(ids);
    KeyValueCache cache;
    EXPECT_EQ(model(slice(ids, 1, 0, 0), {.cache = &cache}).shape(), (Shape{2, 0, vocabulary}));
    model(slice(ids, 1, 0, 4), {.cache = &cache});
    EXPECT_EQ(model(slice(ids, 1, 4, 4), {.cache = &cache}).shape(), (Shape{2, 0, vocabulary}));
    // A sequence whose prompt is empty, beside one that goes on.
    model(slice(ids, 1, 4, 5), {.cache = &cache, .lengths = from_values<int64_t>({1, 0})});
    EXPECT_EQ(cache.lengths(), (std::vector<int64_t>{5, 4}));
    KeyValueCache empty;
    EXPECT_EQ(model(zeros({0, 3}, Dtype::i64), {.cache = &empty}).shape(),
              (Shape{0, 3, vocabulary}));
    EXPECT_EQ(model(zeros({0, 1}, Dtype::i64), {.cache = &empty}).shape(),
              (Shape{0, 1, vocabulary}));
  }
}

}  // namespace
}  // namespace rapt::nn
