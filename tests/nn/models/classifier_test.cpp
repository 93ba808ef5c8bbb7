// Classifier and Tagger.

#include "rapt/nn/models/classifier.h"

#include <gtest/gtest.h>

#include "../../reference/reference.h"
#include "../../support/going_on.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/gradient_flow.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;
using tests::same_bits;
using Names = std::vector<std::string>;

constexpr PoolingKind kinds[] = {PoolingKind::first, PoolingKind::mean, PoolingKind::max,
                                 PoolingKind::attention};

TransformerOptions small(double dropout = 0) {
  return {.vocabulary = 11,
          .context = 7,
          .width = 8,
          .layers = 1,
          .block = {.attention = {.heads = 2}, .feed_forward = {.hidden = 6}},
          .dropout = dropout,
          .stddev = 0.3};
}

ClassifierOptions classifier(PoolingKind kind, double dropout = 0) {
  return {.encoder = small(dropout), .classes = 3, .pooling = kind};
}

TaggerOptions tagger(double dropout = 0) { return {.encoder = small(dropout), .tags = 3}; }

Names prefixed(const Names& names, const std::string& prefix) {
  Names out;
  for (const std::string& name : names) out.push_back(prefix + name);
  return out;
}

TEST(Classifier, NamesItsParameters) {
  Rng rng(1);
  const Names encoder = prefixed(reference::names(Encoder(small(), rng).parameters()), "encoder.");
  Names wanted = encoder;
  for (const char* name : {"head.weight", "head.bias"}) wanted.emplace_back(name);
  EXPECT_EQ(reference::names(Classifier(classifier(PoolingKind::mean), rng).parameters()), wanted);
  EXPECT_EQ(reference::names(Tagger(tagger(), rng).parameters()), wanted);
  wanted = encoder;
  for (const char* name :
       {"pooling.weight", "pooling.bias", "pooling.query", "head.weight", "head.bias"}) {
    wanted.emplace_back(name);
  }
  EXPECT_EQ(reference::names(Classifier(classifier(PoolingKind::attention), rng).parameters()),
            wanted);
}

TEST(Classifier, IsItsDefinition) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    Rng rng(2);
    const Tensor ids = rng.integers(0, 11, {2, 5}), lengths = from_values<int64_t>({5, 2});
    const EncoderInputs how{.lengths = lengths, .mask = Mask::window(2, 2)};
    const auto head = [](const Linear& map, const Tensor& x) {
      return matmul(x, transpose(map.weight)) + map.bias;
    };
    for (const PoolingKind kind : kinds) {
      Classifier model(classifier(kind), rng);
      model.to(dtype);
      const Tensor y = model(ids, how);
      EXPECT_EQ(y.dtype(), dtype);
      EXPECT_TRUE(close(y, head(model.head, model.pooling(model.encoder(ids, how), lengths)),
                        reference::tolerance(dtype)));
      EXPECT_FALSE(close(y, model(ids), 1e-4));
    }
    Tagger model(tagger(), rng);
    model.to(dtype);
    EXPECT_TRUE(close(model(ids, how), head(model.head, model.encoder(ids, how)),
                      reference::tolerance(dtype)));
  }
}

TEST(Classifier, ReachesEveryParameter) {
  Rng rng(3);
  const Tensor ids = rng.integers(0, 11, {4, 7});
  const auto expect = [&](const auto& model) {
    const Tensor y = model(ids);
    sum(y * reference::cotangent(y)).backward();
    EXPECT_EQ(check_gradient_flow(model.parameters()).text, "");
  };
  for (const PoolingKind kind : kinds) expect(Classifier(classifier(kind), rng));
  expect(Tagger(tagger(), rng));
}

TEST(Classifier, HasTheRightGradients) {
  Rng rng(4);
  const Tensor ids = from_values<int64_t>({3, 1, 4, 1, 5, 9}, {2, 3});
  const EncoderInputs how{.lengths = from_values<int64_t>({3, 2})};
  const auto expect = [&](auto model) {
    model.to(Dtype::f64);
    const auto report = reference::check_layer(
        {&model.encoder.embedding.tokens.weight, &model.head.weight, &model.head.bias}, {},
        [&](const Tensors&) { return model(ids, how); });
    EXPECT_TRUE(report) << report.text;
  };
  for (const PoolingKind kind : kinds) expect(Classifier(classifier(kind), rng));
  expect(Tagger(tagger(), rng));
}

template <class Model, class Options>
void expect_going_on(const Options& options) {
  Rng rng(5), other(6);
  const Tensor ids = rng.integers(0, 11, {2, 6});
  tests::expect_going_on_from_state(Model(options, rng), Model(options, other),
                                    [&](const Model& model) { return model(ids); });
}

TEST(Classifier, GoesOnFromItsState) {
  expect_going_on<Classifier>(classifier(PoolingKind::mean, 0.3));
  expect_going_on<Tagger>(tagger(0.3));
}

// The head's own dropout, where nothing else draws.
TEST(Classifier, DropsWhatTheHeadReads) {
  Rng rng(7);
  ClassifierOptions options = classifier(PoolingKind::mean, 0.5);
  options.encoder.block.dropout = 0;
  options.encoder.block.attention.dropout = 0;
  Classifier model(options, rng);
  model.encoder.eval();
  const Tensor ids = rng.integers(0, 11, {4, 6});
  EXPECT_TRUE(same_bits(model.encoder(ids), model.encoder(ids)));
  EXPECT_FALSE(close(model(ids), model(ids), 1e-4));
}

TEST(Classifier, OfNoTokens) {
  Rng rng(8);
  for (const PoolingKind kind : kinds) {
    const Classifier model(classifier(kind), rng);
    EXPECT_EQ(model(zeros({0, 3}, Dtype::i64)).shape(), (Shape{0, 3}));
    const Tensor bias = expand(model.head.bias, {2, 3});
    EXPECT_TRUE(same_bits(model(zeros({2, 0}, Dtype::i64)), bias));
    EXPECT_TRUE(
        same_bits(model(zeros({2, 4}, Dtype::i64), {.lengths = zeros({2}, Dtype::i64)}), bias));
  }
  const Tagger model(tagger(), rng);
  EXPECT_EQ(model(zeros({0, 3}, Dtype::i64)).shape(), (Shape{0, 3, 3}));
  EXPECT_EQ(model(zeros({2, 0}, Dtype::i64)).shape(), (Shape{2, 0, 3}));
}

template <class Model, class Options>
void expect_built_anew(const Options& options) {
  Rng rng(9);
  Model model(options, rng);
  model.encoder.stack.blocks[0].attention.keep_heads({1});
  Model rebuilt(model.configuration(), rng);
  rebuilt.load_state(model.state());
  const Tensor ids = rng.integers(0, 11, {2, 6});
  EXPECT_TRUE(same_bits(rebuilt(ids), model(ids)));
}

TEST(Classifier, IsBuiltAnewFromItsConfiguration) {
  expect_built_anew<Classifier>(classifier(PoolingKind::attention));
  expect_built_anew<Tagger>(tagger());
}

TEST(Classifier, ErrorsSayWhatWasWanted) {
  Rng rng(10);
  ClassifierOptions none = classifier(PoolingKind::mean);
  none.classes = 0;
  EXPECT_EQ(error_of([&] { Classifier(none, rng); }), "Classifier: wanted classes >= 1; got 0");
  TaggerOptions no_tags = tagger();
  no_tags.tags = 0;
  EXPECT_EQ(error_of([&] { Tagger(no_tags, rng); }), "Tagger: wanted tags >= 1; got 0");
  const Classifier model(classifier(PoolingKind::mean), rng);
  EXPECT_EQ(error_of([&] {
              model(zeros({1, 8}, Dtype::i64));
            }),
            "Encoder: wanted at most 7 tokens, the context; got 8 (in encoder)");
  EXPECT_EQ(error_of([&] { Tagger(tagger(), rng)(zeros({3}, Dtype::i64)); }),
            "Encoder: wanted ids i64 [B, T]; got i64[3] (in encoder)");
}

}  // namespace
}  // namespace rapt::nn
