#include "rapt/nn/models/pooling.h"

#include <gtest/gtest.h>

#include <limits>

#include "../../reference/reference.h"
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

/// Of one sequence without padding, [T, width].
Tensor by_definition(const Pooling& pooling, PoolingKind kind, const Tensor& x) {
  if (x.size(0) == 0) return zeros({x.size(1)}, x.dtype());
  switch (kind) {
    case PoolingKind::first:
      return x[0];
    case PoolingKind::mean:
      return sum(x, 0) / static_cast<double>(x.size(0));
    case PoolingKind::max:
      return max(x, 0);
    case PoolingKind::attention: {
      const Tensor scores =
          matmul(tanh(matmul(x, transpose(pooling.weight)) + pooling.bias), pooling.query);
      const Tensor e = exp(scores);
      return matmul(e / sum(e), x);
    }
  }
  return {};
}

void loosen(const Module& layer, Rng& rng) {
  for (const auto& [name, p] : layer.parameters()) {
    Tensor(p).copy_from(rng.normal(p.shape(), 0, 0.7, p.dtype()));
  }
}

TEST(Pooling, IsItsDefinition) {
  const std::vector<int64_t> lengths = {4, 1, 0, 3};
  for (const PoolingKind kind : kinds) {
    SCOPED_TRACE(static_cast<int>(kind));
    Rng rng(1);
    Pooling pooling(kind, 3, rng);
    pooling.to(Dtype::f64);
    loosen(pooling, rng);
    const Tensor x = rng.normal({4, 4, 3}, 0, 1, Dtype::f64).set_requires_grad();
    const Tensor y = pooling(x, from_values(lengths)), all = pooling(x);
    ASSERT_EQ(y.shape(), (Shape{4, 3}));
    Tensors rows;
    for (int64_t b = 0; b < 4; ++b) {
      rows.push_back(
          by_definition(pooling, kind, slice(x[b], 0, 0, lengths[static_cast<size_t>(b)])));
      EXPECT_TRUE(close(all[b], by_definition(pooling, kind, x[b]), 1e-12)) << b;
    }
    const Tensor wanted = stack(rows, 0);
    EXPECT_TRUE(close(y, wanted, 1e-12));
    Tensors leaves = {x};
    for (const auto& [name, p] : pooling.parameters()) leaves.push_back(p);
    const Tensor g = reference::cotangent(y);
    const Tensors found = grad({y}, leaves, {.cotangents = {g}});
    const Tensors expected = grad({wanted}, leaves, {.cotangents = {g}});
    for (size_t i = 0; i < leaves.size(); ++i) {
      EXPECT_TRUE(close(found[i], expected[i], 1e-12)) << i;
    }
  }
}

TEST(Pooling, HasTheRightGradients) {
  for (const PoolingKind kind : kinds) {
    Rng rng(2);
    Pooling pooling(kind, 3, rng);
    pooling.to(Dtype::f64);
    std::vector<Tensor*> members;
    if (kind == PoolingKind::attention) {
      members = {&pooling.weight, &pooling.bias, &pooling.query};
    }
    const Tensor lengths = from_values<int64_t>({4, 2});
    const auto report =
        reference::check_layer(members, {rng.normal({2, 4, 3}, 0, 1, Dtype::f64)},
                               [&](const Tensors& in) { return pooling(in[0], lengths); });
    EXPECT_TRUE(report) << report.text;
  }
}

TEST(Pooling, NamesItsParameters) {
  Rng rng(3);
  for (const PoolingKind kind : kinds) {
    const Pooling pooling(kind, 3, rng);
    EXPECT_EQ(reference::names(pooling.parameters()),
              (kind == PoolingKind::attention ? Names{"weight", "bias", "query"} : Names{}));
  }
}

// The sum of tokens is the same alone and behind any number of others, to the bit; its gradient
// too.
TEST(Pooling, PaddingHasNoSay) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const PoolingKind kind : kinds) {
    SCOPED_TRACE(static_cast<int>(kind));
    Rng rng(4);
    const Pooling pooling(kind, 24, rng);
    loosen(pooling, rng);
    for (const int64_t length : {1, 2, 5, 31, 64, 127, 130, 300}) {
      const Tensor x = rng.normal({1, length, 24}).set_requires_grad();
      const Tensor alone = pooling(x);
      const Tensor g = reference::cotangent(alone);
      const Tensor wanted = grad({alone}, {x}, {.cotangents = {g}})[0];
      for (const int64_t more : {0, 1, 7, 63, 200}) {
        for (const double padding : {0.0, 3.0, std::nan(""), infinity, -infinity}) {
          SCOPED_TRACE(text(length, " and ", more, " of ", padding));
          const Tensor padded = concat({x, full({1, more, 24}, padding)}, 1);
          const Tensor others = rng.normal({2, length + more, 24});
          const Tensor y = pooling(concat({slice(others, 0, 0, 1), padded, others}, 0),
                                   from_values<int64_t>({length, length, 0, length + more}));
          ASSERT_TRUE(same_bits(y[1], alone[0]));
          const Tensor found = grad({slice(y, 0, 1, 2)}, {x}, {.cotangents = {g}})[0];
          ASSERT_TRUE(same_bits(found, wanted));
        }
      }
    }
  }
}

TEST(Pooling, NoTokensGiveZero) {
  Rng rng(5);
  for (const PoolingKind kind : kinds) {
    SCOPED_TRACE(static_cast<int>(kind));
    const Pooling pooling(kind, 3, rng);
    EXPECT_TRUE(same_bits(pooling(ones({2, 0, 3})), zeros({2, 3})));
    EXPECT_TRUE(same_bits(pooling(ones({2, 4, 3}), zeros({2}, Dtype::i64)), zeros({2, 3})));
    EXPECT_EQ(pooling(ones({0, 4, 3})).shape(), (Shape{0, 3}));
    EXPECT_EQ(pooling(ones({0, 0, 3}), zeros({0}, Dtype::i64)).shape(), (Shape{0, 3}));
    Tensor x = ones({1, 4, 3}).set_requires_grad();
    sum(pooling(x, zeros({1}, Dtype::i64))).backward();
    EXPECT_EQ(max(abs(x.grad())).item(), 0);
  }
}

TEST(Pooling, ErrorsSayWhatWasWanted) {
  Rng rng(6);
  EXPECT_EQ(error_of([&] { Pooling(PoolingKind::mean, 0, rng); }),
            "Pooling: wanted width >= 1; got 0");
  for (const PoolingKind kind : kinds) {
    const Pooling pooling(kind, 3, rng);
    EXPECT_EQ(error_of([&] { pooling(ones({4, 3})); }), "Pooling: wanted x [B, T, 3]; got [4, 3]");
    EXPECT_EQ(error_of([&] {
                pooling(ones({1, 4, 2}));
              }),
              "Pooling: wanted x [B, T, 3]; got [1, 4, 2]");
    EXPECT_EQ(error_of([&] {
                pooling(ones({1, 4, 3}), ones({1}));
              }),
              "Pooling: wanted lengths i64 [1]; got f32[1]");
    EXPECT_EQ(error_of([&] {
                pooling(ones({1, 4, 3}), from_values<int64_t>({1, 2}));
              }),
              "Pooling: wanted lengths i64 [1]; got i64[2]");
    for (const int64_t length : {-1, 5}) {
      EXPECT_EQ(error_of([&] {
                  pooling(ones({1, 4, 3}), from_values<int64_t>({length}));
                }),
                text("Pooling: wanted lengths in [0, 4], of the tokens given; got ", length));
    }
  }
}

}  // namespace
}  // namespace rapt::nn
