#include "rapt/nn/models/token_embedding.h"

#include <gtest/gtest.h>

#include "../../reference/reference.h"
#include "../../support/going_on.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/gradient_flow.h"
#include "rapt/nn/position/sinusoidal.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;
using tests::same_bits;
using Names = std::vector<std::string>;

constexpr Positions kinds[] = {Positions::none, Positions::learned, Positions::sinusoidal};

TokenEmbeddingOptions small(Positions positions, double dropout = 0) {
  return {.vocabulary = 5, .context = 6, .width = 4, .positions = positions, .dropout = dropout};
}

const Tensor ids = from_values<int64_t>({3, 0, 4, 4, 1, 3}, {2, 3});

/// Token after token; `places` [B, T].
Tensor by_definition(const TokenEmbedding& layer, const std::vector<std::vector<int64_t>>& places) {
  const Tensor waves = sinusoidal_positions(6, 4, Dtype::f64);
  Tensors rows;
  for (int64_t b = 0; b < 2; ++b) {
    Tensors row;
    for (int64_t t = 0; t < 3; ++t) {
      const auto id = static_cast<int64_t>(ids[b][t].item());
      const int64_t place = places[static_cast<size_t>(b)][static_cast<size_t>(t)];
      Tensor x = layer.tokens.weight[id];
      if (layer.options().positions == Positions::learned) {
        x = x + layer.positions->weight[place];
      } else if (layer.options().positions == Positions::sinusoidal) {
        x = x * 2.0 + waves[place].to(x.dtype());  // sqrt(width)
      }
      row.push_back(x);
    }
    rows.push_back(stack(row, 0));
  }
  return stack(rows, 0);
}

TEST(TokenEmbedding, IsItsDefinition) {
  for (const Positions kind : kinds) {
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      SCOPED_TRACE(static_cast<int>(kind));
      Rng rng(1);
      TokenEmbedding layer(small(kind), rng);
      layer.to(dtype);
      const double tolerance = dtype == Dtype::f32 ? 1e-6 : 1e-15;
      const Tensor y = layer(ids);
      EXPECT_EQ(y.dtype(), dtype);
      EXPECT_TRUE(close(y, by_definition(layer, {{0, 1, 2}, {0, 1, 2}}), tolerance));
      EXPECT_TRUE(close(layer(ids, from_values<int64_t>({3, 4, 5})),
                        by_definition(layer, {{3, 4, 5}, {3, 4, 5}}), tolerance));
      EXPECT_TRUE(close(layer(ids, from_values<int64_t>({1, 2, 3, 0, 1, 2}, {2, 3})),
                        by_definition(layer, {{1, 2, 3}, {0, 1, 2}}), tolerance));
      EXPECT_TRUE(same_bits(layer(ids, arange(3)), y));
    }
  }
}

TEST(TokenEmbedding, HasTheRightGradients) {
  for (const Positions kind : kinds) {
    Rng rng(2);
    TokenEmbedding layer(small(kind), rng);
    layer.to(Dtype::f64);
    std::vector<Tensor*> members = {&layer.tokens.weight};
    if (layer.positions) members.push_back(&layer.positions->weight);
    const auto report =
        reference::check_layer(members, {}, [&](const Tensors&) { return layer(ids); });
    EXPECT_TRUE(report) << report.text;
  }
}

TEST(TokenEmbedding, NamesItsParametersAndState) {
  Rng rng(3);
  for (const Positions kind : kinds) {
    const TokenEmbedding layer(small(kind), rng);
    Names wanted = {"tokens.weight"};
    if (kind == Positions::learned) wanted.emplace_back("positions.weight");
    EXPECT_EQ(reference::names(layer.parameters()), wanted);
    sum(layer(ids)).backward();
    EXPECT_EQ(check_gradient_flow(layer.parameters()).missing, Names{});
    EXPECT_TRUE(layer.state().contains("dropout.stream"));
  }
}

TEST(TokenEmbedding, DropsInTrainingAndGoesOnFromItsState) {
  for (const Positions kind : kinds) {
    Rng rng(4), other(5);
    TokenEmbedding layer(small(kind, 0.5), rng);
    tests::expect_going_on_from_state(layer, TokenEmbedding(small(kind, 0.5), other),
                                      [&](const TokenEmbedding& any) { return any(ids); });
    layer.eval();
    EXPECT_TRUE(close(layer(ids), by_definition(layer, {{0, 1, 2}, {0, 1, 2}}), 1e-6));
  }
}

TEST(TokenEmbedding, WithoutPositionsNeedsNoContext) {
  Rng rng(6);
  const TokenEmbedding layer({.vocabulary = 5, .width = 4, .positions = Positions::none}, rng);
  EXPECT_EQ(layer(zeros({1, 300}, Dtype::i64)).shape(), (Shape{1, 300, 4}));
}

TEST(TokenEmbedding, StartsNormal) {
  Rng rng(7);
  TokenEmbedding layer({.vocabulary = 300, .context = 100, .width = 64}, rng);
  layer.initialize(0.3, rng);
  for (const Tensor& w : {layer.tokens.weight, layer.positions->weight}) {
    EXPECT_NEAR(std::sqrt(var(w.detach()).item()), 0.3, 0.01);
    EXPECT_NEAR(mean(w.detach()).item(), 0, 0.01);
  }
}

TEST(TokenEmbedding, OfNoTokens) {
  Rng rng(8);
  for (const Positions kind : kinds) {
    const TokenEmbedding layer(small(kind), rng);
    EXPECT_EQ(layer(zeros({2, 0}, Dtype::i64)).shape(), (Shape{2, 0, 4}));
    EXPECT_EQ(layer(zeros({0, 3}, Dtype::i64)).shape(), (Shape{0, 3, 4}));
  }
}

TEST(TokenEmbedding, ErrorsSayWhatWasWanted) {
  Rng rng(9);
  const auto with = [&](const TokenEmbeddingOptions& o) {
    return error_of([&] { TokenEmbedding(o, rng); });
  };
  EXPECT_EQ(with({.context = 6, .width = 4}), "TokenEmbedding: wanted vocabulary >= 1; got 0");
  EXPECT_EQ(with({.vocabulary = 5, .context = 6}), "TokenEmbedding: wanted width >= 1; got 0");
  EXPECT_EQ(with({.vocabulary = 5, .width = 4}), "TokenEmbedding: wanted context >= 1; got 0");
  EXPECT_EQ(with({.vocabulary = 5, .context = -1, .width = 4, .positions = Positions::none}),
            "TokenEmbedding: wanted context >= 1; got -1");
  for (const Positions kind : kinds) {
    const TokenEmbedding layer(small(kind), rng);
    EXPECT_EQ(error_of([&] { layer(zeros({3}, Dtype::i64)); }),
              "TokenEmbedding: wanted ids i64 [B, T]; got i64[3]");
    EXPECT_EQ(error_of([&] {
                layer(zeros({1, 3}));
              }),
              "TokenEmbedding: wanted ids i64 [B, T]; got f32[1, 3]");
    EXPECT_EQ(error_of([&] {
                layer(zeros({1, 7}, Dtype::i64));
              }),
              "TokenEmbedding: wanted at most 6 tokens, the context; got 7");
    EXPECT_EQ(error_of([&] {
                layer(from_values<int64_t>({5}, {1, 1}));
              }),
              "embedding: wanted indices in [0, 5); got 5 at position 0 of [1, 1] (in tokens)");
  }
}

}  // namespace
}  // namespace rapt::nn
