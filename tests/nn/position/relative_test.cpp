// Positions as distances: ALiBi, T5's buckets, Shaw's vectors; against their papers' formulas.

#include "rapt/nn/position/relative.h"

#include <gtest/gtest.h>

#include <cmath>

#include "../../reference/reference.h"
#include "rapt/autograd/gradient_check_gtest.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/position/alibi.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;
using tests::normal;

/// [..., queries, keys] of a relative bias [..., queries + keys - 1].
Tensor as_matrix(const Tensor& bias, int64_t queries, int64_t keys) {
  Tensors rows;
  for (int64_t i = 0; i < queries; ++i) {
    rows.push_back(slice(bias, -1, queries - 1 - i, queries - 1 - i + keys));
  }
  return stack(rows, -2);
}

TEST(RelativeDistances, AreCountedFromTheQuery) {
  const Tensor found = as_matrix(relative_distances(2, 4), 2, 4);
  EXPECT_EQ(found.values<int64_t>(), (std::vector<int64_t>{-2, -1, 0, 1, -3, -2, -1, 0}));
  EXPECT_EQ(as_matrix(relative_distances(3, 2), 3, 2).values<int64_t>(),
            (std::vector<int64_t>{1, 2, 0, 1, -1, 0}));
  EXPECT_EQ(relative_distances(0, 0).numel(), 0);
}

// Section 3: for 8 heads 1/2, 1/4, ..., 1/256; the authors' code has the rule for other numbers.
TEST(Alibi, HasThePapersSlopes) {
  EXPECT_EQ(alibi_slopes(8).values<float>(),
            (std::vector<float>{0.5F, 0.25F, 0.125F, 0.0625F, 0.03125F, 0.015625F, 0.0078125F,
                                0.00390625F}));
  EXPECT_TRUE(close(alibi_slopes(6, Dtype::f64),
                    from_values<double>({0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125}), 1e-15));
  EXPECT_EQ(alibi_slopes(1).values<float>(), std::vector<float>{0.00390625F});
}

TEST(Alibi, IsABiasByDistance) {
  const Tensor bias = as_matrix(alibi(tensor({2, 0.5}), 2, 3), 2, 3);
  EXPECT_TRUE(close(
      bias, tensor({{{-2, -0.0, -2}, {-4, -2, -0.0}}, {{-0.5, -0.0, -0.5}, {-1, -0.5, -0.0}}}), 0));
}

// T5's own rule, which takes the logarithm of the distance.
int64_t bucket_by_formula(int64_t distance, int64_t buckets, int64_t most, bool causal) {
  int64_t first = 0, n = -distance;
  if (!causal) {
    buckets /= 2;
    first = distance > 0 ? buckets : 0;
    n = std::abs(distance);
  }
  n = std::max<int64_t>(n, 0);
  const int64_t exact = buckets / 2;
  if (n < exact) return first + n;
  const double share = std::log(static_cast<double>(n) / static_cast<double>(exact)) /
                       std::log(static_cast<double>(most) / static_cast<double>(exact));
  const auto far =
      exact + static_cast<int64_t>(share * static_cast<double>(buckets - exact) + 1e-9);
  return first + std::min(far, buckets - 1);
}

TEST(RelativeBias, HasT5sBuckets) {
  struct Case {
    int64_t buckets, most;
    bool causal;
  };
  for (const Case& c : {Case{32, 128, false}, Case{32, 128, true}, Case{6, 20, false},
                        Case{10, 60, true}, Case{64, 1000, false}}) {
    SCOPED_TRACE(text(c.buckets, ", ", c.most, ", causal ", c.causal));
    Rng rng(1);
    RelativeBias layer(
        {.heads = 1, .buckets = c.buckets, .max_distance = c.most, .causal = c.causal}, rng);
    layer.weight.copy_from(reshape(arange(c.buckets), {c.buckets, 1}).to(Dtype::f32));
    const std::vector<float> found = layer(300, 400).values<float>();
    for (int64_t i = 0; i < 699; ++i) {
      EXPECT_EQ(found[static_cast<size_t>(i)],
                static_cast<float>(bucket_by_formula(i - 399, c.buckets, c.most, c.causal)))
          << i - 399;
    }
  }
  // Distances whose logarithm is a whole number of buckets.
  EXPECT_EQ(bucket_by_formula(-16, 32, 128, false), 10);
  EXPECT_EQ(bucket_by_formula(64, 32, 128, false), 30);
}

TEST(RelativeBias, IsTrained) {
  Rng rng(1);
  const RelativeBias layer({.heads = 2, .buckets = 4, .max_distance = 3}, rng);
  EXPECT_EQ(layer.weight.shape(), (Shape{4, 2}));
  EXPECT_EQ(layer(3, 5).shape(), (Shape{2, 7}));
  sum(layer(2, 2)).backward();  // distances -1, 0, 1
  EXPECT_TRUE(close(layer.weight.grad(), tensor({{1, 1}, {1, 1}, {0, 0}, {1, 1}}), 0));
}

TEST(RelativeKeys, AddAVectorToEachKey) {
  Rng rng(1);
  for (const auto& [queries, keys] : {std::pair(3, 5), std::pair(70, 140)}) {
    RelativeKeys layer({.head_width = 4, .max_distance = 2}, rng);
    layer.to(Dtype::f64);
    layer.weight.copy_from(normal({5, 4}, 9));
    const Tensor q = normal({2, queries, 4}, 1), k = normal({2, keys, 4}, 2);
    const Tensor v = normal({2, keys, 3}, 3);
    // q [2, Tq, 1, 4] . (k [2, 1, Tk, 4] + vectors [Tq, Tk, 4])
    const Tensor distances = as_matrix(relative_distances(queries, keys), queries, keys);
    const Tensor vectors = embedding(layer.weight, clamp(distances, -2, 2) + 2);
    const Tensor scores = sum(unsqueeze(q, 2) * (unsqueeze(k, 1) + vectors), -1) / 2.0;
    const Tensor wanted = matmul(softmax(masked_fill(scores, distances > 0, -INFINITY)), v);
    EXPECT_TRUE(
        close(attention(q, k, v, {.mask = Mask::causal(), .score = layer(q)}), wanted, 1e-12));
  }
}

TEST(RelativeKeys, HaveRightGradients) {
  Rng rng(1);
  RelativeKeys layer({.head_width = 2, .max_distance = 1}, rng);
  layer.to(Dtype::f64);
  EXPECT_TRUE(GradientsMatch(
      [&](const Tensors& in) -> Tensor {
        RelativeKeys mine = layer;
        mine.weight = in[1];
        return attention(in[0], in[0], in[0], {.mask = Mask::causal(), .score = mine(in[0])});
      },
      {normal({2, 3, 2}, 1), normal({3, 2}, 2)}, {.order = 2}));
}

TEST(RelativePositions, ErrorsSayWhatWasWanted) {
  Rng rng(1);
  EXPECT_EQ(error_of([&] { RelativeBias({.heads = 0}, rng); }),
            "RelativeBias: wanted heads >= 1; got 0");
  EXPECT_EQ(error_of([&] { RelativeBias({.heads = 1, .buckets = 5}, rng); }),
            "RelativeBias: wanted buckets >= 4 and even; got 5");
  EXPECT_EQ(error_of([&] { RelativeBias({.heads = 1, .max_distance = 8}, rng); }),
            "RelativeBias: wanted max_distance above 8, the distances that have a bucket each; got "
            "8");
  EXPECT_EQ(error_of([&] { RelativeKeys({.head_width = 0}, rng); }),
            "RelativeKeys: wanted head_width >= 1 and max_distance >= 0; got 0 and 16");
  const RelativeKeys keys({.head_width = 4}, rng);
  EXPECT_EQ(error_of([&] {
              keys(ones({2, 3}));
            }),
            "RelativeKeys: wanted q [..., Tq, 4]; got [2, 3]");
  EXPECT_EQ(error_of([] { alibi_slopes(0); }), "alibi_slopes: wanted heads >= 1; got 0");
  EXPECT_EQ(error_of([] {
              alibi(ones({2, 1}), 3, 3);
            }),
            "alibi: wanted slopes [heads]; got [2, 1]");
  EXPECT_EQ(error_of([] { relative_distances(-1, 3); }),
            "relative_distances: wanted lengths >= 0; got -1 and 3");
}

}  // namespace
}  // namespace rapt::nn
