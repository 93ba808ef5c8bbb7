#include "rapt/nn/models/encoder_decoder.h"

#include <gtest/gtest.h>

#include "../../reference/reference.h"
#include "../../support/going_on.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/gradient_flow.h"
#include "rapt/optim/adam.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;
using tests::same_bits;
using Names = std::vector<std::string>;

EncoderDecoderOptions small(EncoderDecoderOptions o = {}) {
  o.source = {.vocabulary = 11, .context = 7};
  if (o.target.vocabulary == 0) o.target = {.vocabulary = 9, .context = 6};
  o.width = 8;
  o.block.attention.heads = 2;
  o.block.feed_forward.hidden = 6;
  return o;
}

std::vector<EncoderDecoderOptions> variants() {
  const SequenceOptions shared{.vocabulary = 11, .context = 7};
  return {small(), small({.target = shared, .share_embeddings = true, .tie_weights = true}),
          small({.block = {.pre_norm = false}, .positions = Positions::learned}),
          small({.layers = 1,
                 .decoder_layers = 3,
                 .block = {.attention = {.positions = AttentionPositions::rotary(),
                                         .value_residual = true},
                           .feed_forward = {.activation = Activation::silu, .gated = true},
                           .norm = NormKind::rms},
                 .final_norm = true})};
}

TEST(EncoderDecoder, NamesItsParameters) {
  Rng rng(1);
  const auto names_of = [&](EncoderDecoderOptions o) {
    o.layers = 1;
    Names out;
    for (const std::string& name : reference::names(EncoderDecoder(o, rng).parameters())) {
      if (name.find(".blocks.0.") == std::string::npos) out.push_back(name);
    }
    return out;
  };
  EXPECT_EQ(names_of(small()), (Names{"source.tokens.weight", "target.tokens.weight",
                                      "encoder.norm.weight", "encoder.norm.bias",
                                      "decoder.norm.weight", "decoder.norm.bias", "head.weight"}));
  EXPECT_EQ(names_of(variants()[1]),
            (Names{"source.tokens.weight", "encoder.norm.weight", "encoder.norm.bias",
                   "decoder.norm.weight", "decoder.norm.bias"}));
  EXPECT_EQ(names_of(variants()[2]),
            (Names{"source.tokens.weight", "source.positions.weight", "target.tokens.weight",
                   "target.positions.weight", "head.weight"}));
  EncoderDecoderOptions without = small();
  without.final_norm = false;
  EXPECT_EQ(names_of(without),
            (Names{"source.tokens.weight", "target.tokens.weight", "head.weight"}));
  const Names names = reference::names(EncoderDecoder(small({.layers = 1}), rng).parameters());
  const auto has = [&](const char* name) {
    return std::ranges::find(names, std::string(name)) != names.end();
  };
  EXPECT_TRUE(has("decoder.blocks.0.cross_attention.query.weight"));
  EXPECT_TRUE(has("decoder.blocks.0.cross_norm.weight"));
  EXPECT_FALSE(has("encoder.blocks.0.cross_attention.query.weight"));
}

TEST(EncoderDecoder, IsItsDefinition) {
  for (const EncoderDecoderOptions& options : variants()) {
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      Rng rng(2);
      EncoderDecoder model(options, rng);
      model.to(dtype);
      EXPECT_EQ(model.encoder.blocks.size(), static_cast<size_t>(options.layers));
      EXPECT_EQ(model.decoder.blocks.size(),
                static_cast<size_t>(options.decoder_layers.value_or(options.layers)));
      const Tensor source = rng.integers(0, 11, {2, 5}), target = rng.integers(0, 9, {2, 4});
      const Tensor lengths = from_values<int64_t>({5, 2});
      const Mask more = Mask::window(3, 3);
      Tensor memory = model.source(source), y = model.target(target), first;
      for (const TransformerBlock& block : model.encoder.blocks) {
        memory = block(memory, {.mask = Mask::lengths(lengths) & more, .first_values = &first});
      }
      if (model.encoder.norm) memory = (*model.encoder.norm)(memory);
      first = {};
      for (const TransformerBlock& block : model.decoder.blocks) {
        y = block(y, {.mask = Mask::causal(),
                      .memory = memory,
                      .memory_mask = Mask::lengths(lengths),
                      .first_values = &first});
      }
      if (model.decoder.norm) y = (*model.decoder.norm)(y);
      const Tensor& head = model.head ? model.head->weight : model.target.tokens.weight;
      const EncoderInputs how{.lengths = lengths, .mask = more};
      const Tensor found = model(source, target, how);
      EXPECT_EQ(found.dtype(), dtype);
      EXPECT_TRUE(close(found, matmul(y, transpose(head)), reference::tolerance(dtype)));
      EXPECT_TRUE(same_bits(model.decode(target, model.encode(source, how)), found));
      EXPECT_FALSE(close(found, model(source, target), 1e-6));
    }
  }
}

TEST(EncoderDecoder, ReachesEveryParameter) {
  for (const EncoderDecoderOptions& options : variants()) {
    Rng rng(3);
    const EncoderDecoder model(options, rng);
    const Tensor y = model(rng.integers(0, 11, {4, 7}), rng.integers(0, 9, {4, 6}));
    sum(y * reference::cotangent(y)).backward();
    EXPECT_EQ(check_gradient_flow(model.parameters()).text, "");
  }
}

TEST(EncoderDecoder, HasTheRightGradients) {
  Rng rng(4);
  EncoderDecoder model(small({.layers = 1, .tie_weights = true, .stddev = 0.4}), rng);
  model.to(Dtype::f64);
  const Tensor source = from_values<int64_t>({3, 1, 4, 1, 5, 9}, {2, 3});
  const Tensor target = from_values<int64_t>({2, 7, 1, 8}, {2, 2});
  const auto report = reference::check_layer(
      {&model.source.tokens.weight, &model.target.tokens.weight,
       &model.encoder.blocks[0].attention.value.weight, &model.encoder.norm->weight,
       &model.decoder.blocks[0].cross_attention->key.weight},
      {}, [&](const Tensors&) {
        return model(source, target, {.lengths = from_values<int64_t>({3, 2})});
      });
  EXPECT_TRUE(report) << report.text;
}

// What is written next depends on all of the source and on no token of the target to come.
TEST(EncoderDecoder, ReadsAllAndWritesFromTheLeft) {
  for (const EncoderDecoderOptions& options : variants()) {
    Rng rng(5);
    const EncoderDecoder model(options, rng);
    const Tensor source = from_values<int64_t>({1, 2, 3}, {1, 3});
    const Tensor target = from_values<int64_t>({4, 5, 6}, {1, 3});
    const Tensor a = model(source, target);
    const Tensor b = model(source, from_values<int64_t>({4, 5, 7}, {1, 3}));
    EXPECT_TRUE(same_bits(slice(b, 1, 0, 2), slice(a, 1, 0, 2)));
    EXPECT_FALSE(close(select(b, 1, 2), select(a, 1, 2), 1e-5));
    const Tensor c = model(from_values<int64_t>({1, 2, 8}, {1, 3}), target);
    EXPECT_FALSE(same_bits(select(c, 1, 0), select(a, 1, 0)));
  }
}

TEST(EncoderDecoder, SharesItsEmbeddings) {
  Rng rng(6);
  const EncoderDecoder model(variants()[1], rng);
  EXPECT_TRUE(model.source.tokens.weight.same_as(model.target.tokens.weight));
  EXPECT_FALSE(model.head.has_value());
}

TEST(EncoderDecoder, LearnsToTurnASequenceAround) {
  Rng rng(7);
  const EncoderDecoder model(small({.layers = 1}), rng);
  const Tensor source = from_values<int64_t>({3, 1, 4, 5, 9, 2}, {2, 3});
  const Tensor target = from_values<int64_t>({0, 4, 1, 0, 2, 8}, {2, 3});
  const Tensor wanted = from_values<int64_t>({4, 1, 3, 2, 8, 5}, {2, 3});
  optim::AdamW optimizer(model.parameters(), {.lr = 2e-2});
  double loss = 0;
  for (int step = 0; step < 80; ++step) {
    const Tensor mean = cross_entropy(model(source, target), wanted).mean();
    optimizer.zero_grad();
    mean.backward();
    optimizer.step();
    loss = mean.item();
  }
  EXPECT_LT(loss, 0.1);
}

TEST(EncoderDecoder, GoesOnFromItsState) {
  Rng rng(8), other(9);
  const EncoderDecoderOptions options = small({.dropout = 0.3});
  const Tensor source = rng.integers(0, 11, {2, 6}), target = rng.integers(0, 9, {2, 5});
  tests::expect_going_on_from_state(
      EncoderDecoder(options, rng), EncoderDecoder(options, other),
      [&](const EncoderDecoder& model) { return model(source, target); });
}

TEST(EncoderDecoder, RecomputedBlocksGiveTheSameBits) {
  for (EncoderDecoderOptions options : variants()) {
    options.dropout = 0.2;
    const auto run = [&](bool recompute) {
      options.recompute = recompute;
      Rng rng(10);
      const EncoderDecoder model(options, rng);
      const Tensor y = model(rng.integers(0, 11, {2, 5}), rng.integers(0, 9, {2, 4}),
                             {.lengths = from_values<int64_t>({5, 2})});
      sum(y * reference::cotangent(y)).backward();
      NamedTensors out{{"y", y.detach()}};
      for (const auto& [name, p] : model.parameters()) out.add(name, p.grad());
      out.add_all("state.", model.state());
      return out;
    };
    const NamedTensors wanted = run(false), found = run(true);
    for (const auto& [name, tensor] : wanted) EXPECT_TRUE(same_bits(found[name], tensor)) << name;
  }
}

TEST(EncoderDecoder, OfNoTokens) {
  for (const EncoderDecoderOptions& options : variants()) {
    Rng rng(11);
    const EncoderDecoder model(options, rng);
    const int64_t words = model.options().target.vocabulary;
    const auto ids = [](int64_t rows, int64_t length) { return zeros({rows, length}, Dtype::i64); };
    EXPECT_EQ(model(ids(2, 3), ids(2, 0)).shape(), (Shape{2, 0, words}));
    EXPECT_EQ(model(ids(0, 3), ids(0, 2)).shape(), (Shape{0, 2, words}));
    // An empty source, whether of no tokens or of padding alone, says nothing.
    const Tensor none = model(ids(1, 0), ids(1, 2));
    EXPECT_EQ(count_nonzero(none == none).item(), static_cast<double>(2 * words));
    EXPECT_TRUE(same_bits(model(ids(1, 4), ids(1, 2), {.lengths = ids(1, 1)[0]}), none));
  }
}

TEST(EncoderDecoder, IsBuiltAnewFromItsConfiguration) {
  for (const EncoderDecoderOptions& options : variants()) {
    if (options.block.attention.value_residual) continue;  // its layers have the same heads
    Rng rng(12);
    EncoderDecoder model(options, rng);
    model.encoder.blocks[1].attention.keep_heads({1});
    model.decoder.blocks[0].attention.keep_heads({0});
    model.decoder.blocks[1].cross_attention->keep_heads({1});
    EncoderDecoder rebuilt(model.configuration(), rng);
    EXPECT_EQ(rebuilt.encoder.blocks[1].attention.kept_heads(), (std::vector<int64_t>{1}));
    EXPECT_EQ(rebuilt.decoder.blocks[0].attention.kept_heads(), (std::vector<int64_t>{0}));
    EXPECT_EQ(rebuilt.decoder.blocks[0].cross_attention->kept_heads(),
              (std::vector<int64_t>{0, 1}));
    rebuilt.load_state(model.state());
    const Tensor source = rng.integers(0, 11, {2, 6}), target = rng.integers(0, 9, {2, 5});
    EXPECT_TRUE(same_bits(rebuilt(source, target), model(source, target)));
  }
}

TEST(EncoderDecoder, ErrorsSayWhatWasWanted) {
  Rng rng(13);
  EXPECT_EQ(error_of([&] { EncoderDecoder(small({.block = {.cross_attention = true}}), rng); }),
            "EncoderDecoder: wanted a block without cross_attention, which the decoder has anyway");
  EXPECT_EQ(error_of([&] { EncoderDecoder(small({.share_embeddings = true}), rng); }),
            "EncoderDecoder: wanted one vocabulary and context for shared embeddings; got 11 and "
            "9, 7 and 6");
  EXPECT_EQ(error_of([&] { EncoderDecoder(EncoderDecoderOptions(), rng); }),
            "TokenEmbedding: wanted vocabulary >= 1; got 0");
  const EncoderDecoder model(small(), rng);
  const Tensor ids = zeros({1, 3}, Dtype::i64);
  EXPECT_EQ(error_of([&] {
              model(zeros({1, 8}, Dtype::i64), ids);
            }),
            "EncoderDecoder: wanted at most 7 tokens, the context; got 8");
  EXPECT_EQ(error_of([&] {
              model(ids, zeros({1, 7}, Dtype::i64));
            }),
            "EncoderDecoder: wanted at most 6 tokens, the context; got 7");
  EXPECT_EQ(error_of([&] { model(ids, zeros({3}, Dtype::i64)); }),
            "EncoderDecoder: wanted ids i64 [B, T]; got i64[3]");
  EXPECT_EQ(error_of([&] { model(ids, ids + 9); }),
            "embedding: wanted indices in [0, 9); got 9 at position 0 of [1, 3] (in "
            "target.tokens)");
  EXPECT_EQ(error_of([&] { model.decode(ids, {}); }),
            "TransformerBlock: wanted a memory, as it was built with cross_attention (in "
            "blocks.0)");
}

}  // namespace
}  // namespace rapt::nn
