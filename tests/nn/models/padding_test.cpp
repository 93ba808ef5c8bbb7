// A sequence alone, in a batch, or padded at the right with other tokens; a prefix or the whole:
// every model gives the same bits.

#include <gtest/gtest.h>

#include "../../support/tensors.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/models/classifier.h"
#include "rapt/nn/models/decoder_only.h"
#include "rapt/nn/models/encoder_decoder.h"

namespace rapt::nn {
namespace {

using tests::same_bits;

constexpr int64_t vocabulary = 17;

/// One of each kind of position, norm, head, window and pooling; with odd sizes.
std::vector<TransformerOptions> variants() {
  const auto with = [](const TransformerBlockOptions& block, std::optional<Positions> positions,
                       const std::vector<std::optional<int64_t>>& windows = {}) {
    TransformerOptions o{.vocabulary = vocabulary,
                         .context = 300,
                         .width = 24,
                         .block = block,
                         .positions = positions,
                         .windows = windows,
                         .stddev = 0.3};
    o.block.attention.heads = 4;
    return o;
  };
  using Where = AttentionPositions;
  return {
      with({}, Positions::learned),
      with({.pre_norm = false}, Positions::sinusoidal),
      with({.attention = {.key_value_heads = 2, .positions = Where::rotary(), .sink = true},
            .feed_forward = {.activation = Activation::silu, .gated = true},
            .norm = NormKind::rms},
           {}, {5, std::nullopt}),
      with({.attention = {.positions = Where::alibi(), .gate = true, .value_residual = true}}, {}),
      with({.attention = {.positions = Where::relative_bias(8, 40)}}, {}),
      with({.attention = {.query_key_norm = NormKind::rms, .positions = Where::relative_keys(7)}},
           {})};
}

/// Sequences of these lengths alone, and side by side: run(ids, lengths) with lengths undefined of
/// one alone. Row b of what comes back is cut to what counts by cut(y, length).
template <class Run, class Cut>
void expect_padding_has_no_say(Run run, Cut cut) {
  const std::vector<int64_t> lengths = {1, 130, 7, 200, 64};
  Rng rng(21);
  Tensors sequences;
  for (const int64_t length : lengths) {
    sequences.push_back(rng.integers(0, vocabulary, {1, length}));
  }
  for (const int64_t longest : {200, 263}) {
    Tensors rows;
    for (const Tensor& sequence : sequences) {
      const int64_t more = longest - sequence.size(1);
      rows.push_back(concat({sequence, rng.integers(0, vocabulary, {1, more})}, 1));
    }
    const Tensor y = run(concat(rows, 0), from_values(lengths));
    for (size_t b = 0; b < lengths.size(); ++b) {
      const Tensor alone = run(sequences[b], Tensor());
      EXPECT_TRUE(same_bits(cut(y[static_cast<int64_t>(b)], lengths[b]), alone[0]))
          << lengths[b] << " of " << longest;
    }
  }
}

Tensor first_rows(const Tensor& y, int64_t length) { return slice(y, 0, 0, length); }
Tensor all_of(const Tensor& y, int64_t) { return y; }

TEST(Padding, HasNoSayInEncoder) {
  const NoGrad no_grad;
  for (const TransformerOptions& options : variants()) {
    Rng rng(1);
    const Encoder model(options, rng);
    expect_padding_has_no_say(
        [&](const Tensor& ids, const Tensor& lengths) { return model(ids, {.lengths = lengths}); },
        first_rows);
  }
}

TEST(Padding, HasNoSayInTagger) {
  const NoGrad no_grad;
  for (const TransformerOptions& options : variants()) {
    Rng rng(2);
    const Tagger model({.encoder = options, .tags = 5}, rng);
    expect_padding_has_no_say(
        [&](const Tensor& ids, const Tensor& lengths) { return model(ids, {.lengths = lengths}); },
        first_rows);
  }
}

TEST(Padding, HasNoSayInClassifier) {
  const NoGrad no_grad;
  for (const TransformerOptions& options : variants()) {
    for (const PoolingKind pooling :
         {PoolingKind::first, PoolingKind::mean, PoolingKind::max, PoolingKind::attention}) {
      SCOPED_TRACE(static_cast<int>(pooling));
      Rng rng(3);
      const Classifier model({.encoder = options, .classes = 3, .pooling = pooling}, rng);
      expect_padding_has_no_say(
          [&](const Tensor& ids, const Tensor& lengths) {
            return model(ids, {.lengths = lengths});
          },
          all_of);
    }
  }
}

TEST(Padding, HasNoSayInDecoderOnly) {
  const NoGrad no_grad;
  for (const TransformerOptions& options : variants()) {
    Rng rng(4);
    const DecoderOnly model(options, rng);
    expect_padding_has_no_say([&](const Tensor& ids, const Tensor&) { return model(ids); },
                              first_rows);
  }
}

EncoderDecoder encoder_decoder(const TransformerOptions& o, Rng& rng) {
  EncoderDecoderOptions both{.source = {.vocabulary = vocabulary, .context = 300},
                             .target = {.vocabulary = vocabulary, .context = 300},
                             .width = o.width,
                             .layers = 1,
                             .decoder_layers = 2,
                             .block = o.block,
                             .positions = o.positions,
                             .stddev = o.stddev};
  return EncoderDecoder(both, rng);
}

TEST(Padding, HasNoSayInEncoderDecoder) {
  const NoGrad no_grad;
  for (const TransformerOptions& options : variants()) {
    Rng rng(5);
    const EncoderDecoder model = encoder_decoder(options, rng);
    // Of the source.
    const Tensor target = rng.integers(0, vocabulary, {1, 9});
    expect_padding_has_no_say(
        [&](const Tensor& ids, const Tensor& lengths) {
          return model(ids, expand(target, {ids.size(0), 9}).contiguous(), {.lengths = lengths});
        },
        all_of);
    // Of the target.
    const Tensor source = rng.integers(0, vocabulary, {1, 9});
    expect_padding_has_no_say(
        [&](const Tensor& ids, const Tensor&) {
          return model(expand(source, {ids.size(0), 9}).contiguous(), ids);
        },
        first_rows);
  }
}

TEST(Prefix, HasTheBitsOfTheWhole) {
  const NoGrad no_grad;
  for (const TransformerOptions& options : variants()) {
    Rng rng(6);
    const DecoderOnly decoder(options, rng);
    const EncoderDecoder both = encoder_decoder(options, rng);
    const Tensor ids = rng.integers(0, vocabulary, {2, 270});
    const EncodedSource source = both.encode(rng.integers(0, vocabulary, {2, 30}));
    const Tensor whole = decoder(ids), decoded = both.decode(ids, source);
    for (const int64_t length : {1, 2, 63, 128, 129, 257}) {
      const Tensor prefix = slice(ids, 1, 0, length);
      EXPECT_TRUE(same_bits(decoder(prefix), slice(whole, 1, 0, length))) << length;
      EXPECT_TRUE(same_bits(both.decode(prefix, source), slice(decoded, 1, 0, length))) << length;
    }
  }
}

}  // namespace
}  // namespace rapt::nn
