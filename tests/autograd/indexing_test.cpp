// Elements by number: several for one place, NaN, layouts, dtypes, errors.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "../support/tensors.h"
#include "rapt/autograd/ops.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;
using tests::same_bits;

Tensor whole(std::initializer_list<int64_t> numbers) {
  return from_values(std::vector<int64_t>(numbers));
}

// ---- several for one place --------------------------------------------------------------------

TEST(Scatter, TheLastCountsAndAloneGetsTheGradient) {
  const Tensor x = zeros({3}).set_requires_grad(), source = tensor({1, 2, 3}).set_requires_grad();
  const Tensor y = scatter(x, 0, whole({1, 0, 1}), source);
  EXPECT_EQ(y.str(), "f32[3] {2, 3, 0}");
  sum(y * tensor({5, 7, 9})).backward();
  EXPECT_EQ(source.grad().str(), "f32[3] {0, 5, 7}");
  EXPECT_EQ(x.grad().str(), "f32[3] {0, 0, 9}");
}

TEST(Scatter, OfThousandsTheLastCountsForAnyNumberOfThreads) {
  const Tensor index = Rng(1).integers(0, 7, {50, 3000}), source = Rng(2).normal({50, 3000});
  for (const int64_t axis : {0, 1}) {
    Shape shape = index.shape();
    shape[axis] = 7;
    Tensor wanted = zeros(shape);
    float* const out = wanted.mutable_data<float>();
    for (int64_t i = 0; i < 50; ++i) {
      for (int64_t j = 0; j < 3000; ++j) {
        const int64_t at = index.data<int64_t>()[i * 3000 + j];
        out[axis == 0 ? at * 3000 + j : i * 7 + at] = source.data<float>()[i * 3000 + j];
      }
    }
    EXPECT_TRUE(same_bits(scatter(zeros(shape), axis, index, source), wanted));
  }
}

TEST(IndexPut, RepeatedIndicesAddUpOrTheLastCounts) {
  const Tensor x = ones({2, 2}), rows = whole({0, 1, 0}), columns = whole({1, 1, 1});
  EXPECT_EQ(index_put(x, {rows, columns}, tensor({5, 6, 7})).str(), "f32[2, 2] {{1, 7}, {1, 6}}");
  EXPECT_EQ(index_put(x, {rows, columns}, 2, {.accumulate = true}).str(),
            "f32[2, 2] {{1, 5}, {1, 3}}");
  EXPECT_EQ(index_put(x, {whole({1})}, 3).str(), "f32[2, 2] {{1, 1}, {3, 3}}");
}

TEST(IndexPut, AndIndexGetAreEachOthersInverse) {
  const Tensor x = Rng(1).normal({4, 5, 3}), rows = whole({0, 2, 3}), columns = whole({4, 0, 4});
  EXPECT_TRUE(same_bits(index_put(x, {rows, columns}, index_get(x, {rows, columns})), x));
  EXPECT_TRUE(same_bits(index_get(x, {whole({2})}), slice(x, 0, 2, 3)));
  const Tensor block = index_get(x, {unsqueeze(rows, 1), columns});
  EXPECT_EQ(block.shape(), (Shape{3, 3, 3}));
  EXPECT_TRUE(same_bits(block[1][0], x[2][4]));
}

// ---- reductions -------------------------------------------------------------------------------

TEST(ScatterReduce, TiesShareTheGradientAndNaNWins) {
  const double nan = std::nan("");
  const Tensor x = tensor({2, 5, 1}, Dtype::f64).set_requires_grad();
  const Tensor source = tensor({2, 2, 4}, Dtype::f64).set_requires_grad();
  const Tensor y = scatter_reduce(x, 0, whole({0, 0, 1}), source, Reduce::max);
  EXPECT_EQ(y.str(), "f64[3] {2, 5, 1}");
  sum(y * tensor({3, 1, 1}, Dtype::f64)).backward();
  EXPECT_EQ(x.grad().str(), "f64[3] {1, 1, 1}");
  EXPECT_EQ(source.grad().str(), "f64[3] {1, 1, 0}");
  for (const Reduce how : {Reduce::max, Reduce::min}) {
    const Tensor of_nan =
        scatter_reduce(tensor({nan, 0, 0}), 0, whole({0, 1, 1}), tensor({1, nan, 1}), how);
    EXPECT_TRUE(same_bits(isnan(of_nan), from_values(std::vector<bool>{true, true, false})));
  }
}

// With one zero in a group its own gradient is the product of the others; with two, all are 0.
TEST(ScatterReduce, ZerosAreNoExceptionToTheGradientOfAProduct) {
  const Tensor x = tensor({2, 3}, Dtype::f64).set_requires_grad();
  const Tensor source = tensor({0, 5, 0, 0}, Dtype::f64).set_requires_grad();
  const Tensor y = scatter_reduce(x, 0, whole({0, 0, 1, 1}), source, Reduce::prod);
  sum(y).backward();
  EXPECT_EQ(source.grad().str(), "f64[4] {10, 0, 0, 0}");
  EXPECT_EQ(x.grad().str(), "f64[2] {0, 0}");
}

TEST(ScatterReduce, OfWholeNumbers) {
  const Tensor x = whole({2, 3, 4}), index = whole({0, 0, 2}), source = whole({5, -7, 6});
  const auto by = [&](Reduce how) { return scatter_reduce(x, 0, index, source, how).str(); };
  EXPECT_EQ(by(Reduce::sum), "i64[3] {0, 3, 10}");
  EXPECT_EQ(by(Reduce::prod), "i64[3] {-70, 3, 24}");
  EXPECT_EQ(by(Reduce::max), "i64[3] {5, 3, 6}");
  EXPECT_EQ(by(Reduce::min), "i64[3] {-7, 3, 4}");
}

// ---- shapes and layouts -----------------------------------------------------------------------

TEST(Scatter, AnIndexShorterThanXOffTheAxisLeavesTheRestAlone) {
  const Tensor x = zeros({3, 4, 2}), index = whole({2, 0});
  const Tensor y = scatter(x, 1, reshape(index, {1, 2, 1}), 1);
  EXPECT_EQ(sum(y).item(), 2);
  EXPECT_EQ(y[0][2][0].item(), 1);
  EXPECT_EQ(y[0][0][0].item(), 1);
}

TEST(Gather, ReadsViewsAsTheyLook) {
  const Tensor x = Rng(1).normal({40, 30}), index = Rng(2).integers(0, 40, {3, 30});
  const Tensor view = transpose(transpose(x).contiguous());
  EXPECT_TRUE(same_bits(gather(view, 0, index), gather(x, 0, index)));
  const Tensor turned = transpose(transpose(index).contiguous());
  EXPECT_TRUE(same_bits(gather(view, 0, turned), gather(x, 0, index)));
  EXPECT_TRUE(same_bits(scatter_add(view, 0, turned, slice(view, 0, 0, 3)),
                        scatter_add(x, 0, index, slice(x, 0, 0, 3))));
}

TEST(TakeAlongDim, TakesWhatArgsortGives) {
  const Tensor x = Rng(1).normal({3, 50});
  EXPECT_TRUE(same_bits(take_along_dim(x, argsort(x, 1), 1), sort(x, 1).values));
  const Tensor best = argmax(x, 1, {.keepdim = true});
  EXPECT_TRUE(same_bits(take_along_dim(x, best, 1), max(x, {1}, {.keepdim = true})));
}

TEST(Nonzero, OfScalarsAndOfNothing) {
  EXPECT_EQ(nonzero(ones({})).shape(), (Shape{1, 0}));
  EXPECT_EQ(nonzero(zeros({})).shape(), (Shape{0, 0}));
  EXPECT_EQ(nonzero(zeros({0, 3})).shape(), (Shape{0, 2}));
  EXPECT_EQ(nonzero(tensor({0, std::nan(""), -0.0})).str(), "i64[1, 1] {{1}}");
}

TEST(MaskedSelect, OfEveryDtypeInOrder) {
  const Tensor mask = from_values(std::vector<bool>{true, false, true});
  EXPECT_EQ(masked_select(whole({7, 8, 9}), mask).str(), "i64[2] {7, 9}");
  EXPECT_EQ(masked_select(tensor(2.5), mask).str(), "f32[2] {2.5, 2.5}");
  EXPECT_EQ(masked_select(transpose(tensor({{1, 2}, {3, 4}})), ones({2, 2}, Dtype::b8)).str(),
            "f32[4] {1, 3, 2, 4}");
}

TEST(Slice, DownIsPythons) {
  const Tensor x = arange(5);
  constexpr int64_t first = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(slice(x, 0, -1, first, -1).str(), "i64[5] {4, 3, 2, 1, 0}");
  EXPECT_EQ(slice(x, 0, -1, -6, -1).str(), "i64[5] {4, 3, 2, 1, 0}");
  EXPECT_EQ(slice(x, 0, 3, 0, -2).str(), "i64[2] {3, 1}");
  EXPECT_EQ(slice(x, 0, 99, 1, -1).str(), "i64[3] {4, 3, 2}");
  EXPECT_EQ(slice(x, 0, 0, 3, -1).shape(), (Shape{0}));
  EXPECT_EQ(slice(x, 0, 4, first, first).str(), "i64[1] {4}");
  EXPECT_EQ(slice(zeros({0}), 0, -1, first, -1).shape(), (Shape{0}));
}

TEST(DiagEmbed, IsTheInverseOfDiagonal) {
  const Tensor x = Rng(1).normal({2, 3, 4});
  EXPECT_TRUE(same_bits(diagonal(diag_embed(x)), x));
  EXPECT_TRUE(same_bits(diagonal(diag_embed(x, 1, 0), 0, 1), x));
  EXPECT_EQ(diag_embed(from_values(std::vector<bool>{true, true})).str(),
            "b8[2, 2] {{true, false}, {false, true}}");
}

// ---- errors -----------------------------------------------------------------------------------

TEST(Indexing, BadArgumentsAreErrors) {
  const Tensor x = zeros({2, 3}), row = whole({0, 1});
  EXPECT_EQ(error_of([&] {
              scatter(x, 1, reshape(whole({3, 0}), {1, 2}), 1);
            }),
            "scatter: wanted indices in [0, 3); got 3 at position 0 of [1, 2]");
  EXPECT_EQ(error_of([&] { scatter(x, 1, row, 1); }),
            "scatter: wanted an index with the rank of x [2, 3] and, off axis 1, lengths no larger "
            "than its; got [2]");
  EXPECT_EQ(error_of([&] {
              scatter(x, 1, zeros({2, 1}, Dtype::i64), zeros({2, 2}));
            }),
            "scatter: wanted source of index's shape [2, 1]; got [2, 2]");
  EXPECT_EQ(error_of([&] {
              scatter(whole({1, 2}), 0, row, 0.5);
            }),
            "scatter: wanted a whole number beside i64[2]; got 0.5 (convert the tensor with to())");
  EXPECT_EQ(error_of([&] {
              scatter_reduce(zeros({2}, Dtype::b8), 0, row, zeros({2}, Dtype::b8), Reduce::max);
            }),
            "scatter_reduce: wanted x of f32, f64 or i64; got b8[2]");
  EXPECT_EQ(error_of([&] { take_along_dim(x, row, 1); }),
            "take_along_dim: wanted an index with the rank of x [2, 3]; got [2]");
  EXPECT_EQ(error_of([&] { take_along_dim(x, x, 1); }),
            "take_along_dim: wanted index of i64; got f32[2, 3]");
  EXPECT_EQ(error_of([&] {
              index_get(x, {row, row, row});
            }),
            "index_get: wanted from 1 to 2 indices, one for each of the first axes of x [2, 3]; "
            "got 3");
  EXPECT_EQ(error_of([&] { index_put(x, {row}, zeros({2})); }),
            "index_put: wanted values that broadcast to [2, 3] for x [2, 3]; got [2]");
  EXPECT_EQ(
      error_of([&] {
        index_put(x, {row, whole({0, 1, 2})}, 1);
      }),
      "index_put: wanted shapes that broadcast (aligned at the last axis, equal or 1); got [2] and "
      "[3]");
  EXPECT_EQ(error_of([&] { masked_select(x, x); }),
            "masked_select: wanted mask of b8; got f32[2, 3]");
  EXPECT_EQ(error_of([&] { slice(x, 0, 0, 2, 0); }), "slice: wanted a step other than 0; got 0");
  EXPECT_EQ(error_of([&] { trace(zeros({3})); }), "trace: wanted x [..., n, m]; got [3]");
  EXPECT_EQ(error_of([&] { outer(x, x); }),
            "outer: wanted vectors a [n] and b [m]; got a [2, 3] and b [2, 3]");
}

}  // namespace
}  // namespace rapt
