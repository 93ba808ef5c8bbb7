// Shapes, views of parts, joining, triangles, indexing: values, dtypes, edges, errors. (Their
// gradients: tests/ops.)

#include <gtest/gtest.h>

#include <vector>

#include "../support/tensors.h"

namespace rapt {
namespace {

using tests::error_of;
using tests::same_bits;
using tests::strided;

const Tensor& matrix() {
  static const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  return x;
}

// ---- shape -------------------------------------------------------------------------------------

TEST(Reshape, FillsInOneLength) {
  EXPECT_EQ(reshape(matrix(), {3, -1}).shape(), (Shape{3, 2}));
  EXPECT_EQ(reshape(matrix(), {-1}).shape(), Shape{6});
  EXPECT_EQ(reshape(zeros({0, 4}), {-1, 4}).shape(), (Shape{0, 4}));
  EXPECT_EQ(reshape(tensor(5), {1, 1}).shape(), (Shape{1, 1}));
  EXPECT_EQ(reshape(ones({1}), {}).shape(), Shape{});
  EXPECT_EQ(error_of([] {
              reshape(matrix(), {4, -1});
            }),
            "reshape: wanted a shape of 6 elements, as x [2, 3] has; got [4, -1]");
  EXPECT_EQ(error_of([] {
              reshape(matrix(), {-1, -1});
            }),
            "reshape: wanted lengths of at least 0 and at most one -1; got [-1, -1]");
  EXPECT_EQ(error_of([] { reshape(matrix(), {5}); }),
            "reshape: wanted a shape of 6 elements, as x [2, 3] has; got [5]");
  EXPECT_EQ(error_of([] {
              reshape(zeros({0}), {0, -1});
            }),
            "reshape: wanted a shape of 0 elements, as x [0] has; got [0, -1]");
}

TEST(Reshape, OfAnyStridedViewKeepsTheOrder) {
  Rng rng(1);
  const Tensor x = rng.normal({2, 3, 4});
  const Tensors views = {x,
                         strided(x),
                         permute(x, {2, 0, 1}),
                         transpose(x),
                         expand(slice(x, 1, 0, 1), {2, 3, 4}),
                         slice(x, 2, 0, 4, 2),
                         unsqueeze(select(x, 1, 1), 1)};
  for (const Tensor& v : views) {
    const std::vector<float> wanted = v.values<float>();
    for (const Shape& shape :
         {Shape{-1}, Shape{2, -1}, Shape{-1, 2}, Shape{1, -1, 1}, Shape{2, 2, -1}}) {
      EXPECT_EQ(reshape(v, shape).values<float>(), wanted) << v.shape().str() << shape.str();
    }
  }
}

TEST(Permute, TurnsAxes) {
  const Tensor x = reshape(arange(24), {2, 3, 4});
  const Tensor y = permute(x, {2, 0, -2});
  EXPECT_EQ(y.shape(), (Shape{4, 2, 3}));
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t j = 0; j < 2; ++j) {
      for (int64_t k = 0; k < 3; ++k) {
        EXPECT_EQ(select(select(select(y, 0, i), 0, j), 0, k).item(), j * 12 + k * 4 + i);
      }
    }
  }
  EXPECT_TRUE(same_bits(transpose(x, 0, -1), permute(x, {2, 1, 0})));
  EXPECT_EQ(error_of([&] {
              permute(x, {0, 1});
            }),
            "permute: wanted each of the 3 axes of x [2, 3, 4]; got [0, 1]");
  EXPECT_EQ(error_of([&] {
              permute(x, {0, 1, 1});
            }),
            "permute: wanted each axis once; got [0, 1, 1]");
}

TEST(Expand, StretchesAndPutsInFront) {
  EXPECT_EQ(expand(tensor({1, 2}), {2, 2}).str(), "f32[2, 2] {{1, 2}, {1, 2}}");
  EXPECT_EQ(expand(unsqueeze(tensor({1, 2}), 1), {-1, 2}).str(), "f32[2, 2] {{1, 1}, {2, 2}}");
  EXPECT_EQ(expand(tensor(3), {2}).str(), "f32[2] {3, 3}");
  EXPECT_EQ(expand(zeros({1}), {0}).shape(), Shape{0});
  EXPECT_EQ(error_of([] {
              expand(matrix(), {2, 4});
            }),
            "expand: wanted a shape that x [2, 3] broadcasts to; got [2, 4]");
  EXPECT_EQ(error_of([] { expand(matrix(), {3}); }),
            "expand: wanted a shape that x [2, 3] broadcasts to; got [3]");
  EXPECT_EQ(error_of([] {
              expand(matrix(), {-1, 2, 3});
            }),
            "expand: wanted a shape that x [2, 3] broadcasts to; got [-1, 2, 3]");
}

TEST(Squeeze, AndUnsqueeze) {
  EXPECT_EQ(unsqueeze(matrix(), 0).shape(), (Shape{1, 2, 3}));
  EXPECT_EQ(unsqueeze(matrix(), -1).shape(), (Shape{2, 3, 1}));
  EXPECT_EQ(unsqueeze(tensor(1), 0).shape(), Shape{1});
  EXPECT_EQ(squeeze(unsqueeze(matrix(), 1), 1).shape(), (Shape{2, 3}));
  EXPECT_EQ(error_of([] { squeeze(matrix(), -1); }),
            "squeeze: wanted an axis of length 1; got axis -1 of x [2, 3]");
}

// ---- parts -------------------------------------------------------------------------------------

TEST(Slice, CountsFromTheEndAndIsCutToTheAxis) {
  const Tensor x = arange(6);
  EXPECT_EQ(slice(x, 0, 1, 4).str(), "i64[3] {1, 2, 3}");
  EXPECT_EQ(slice(x, 0, -2, 6).str(), "i64[2] {4, 5}");
  EXPECT_EQ(slice(x, 0, 0, -1).str(), "i64[5] {0, 1, 2, 3, 4}");
  EXPECT_EQ(slice(x, 0, -100, 100).str(), "i64[6] {0, 1, 2, 3, 4, 5}");
  EXPECT_EQ(slice(x, 0, 0, 6, 4).str(), "i64[2] {0, 4}");
  EXPECT_EQ(slice(x, 0, 4, 2).str(), "i64[0] {}");
  EXPECT_EQ(slice(x, 0, 6, 6).str(), "i64[0] {}");
  EXPECT_EQ(error_of([&] { slice(x, 0, 0, 6, 0); }), "slice: wanted a step other than 0; got 0");
}

TEST(Select, TakesOneIndex) {
  EXPECT_EQ(select(matrix(), 0, -1).str(), "f32[3] {4, 5, 6}");
  EXPECT_EQ(select(matrix(), 1, 0).str(), "f32[2] {1, 4}");
  EXPECT_EQ(select(tensor({7}), 0, 0).str(), "f32[] 7");
  EXPECT_EQ(error_of([] { select(matrix(), 1, 3); }),
            "select: wanted an index in [-3, 3) along axis 1 of x [2, 3]; got 3");
}

TEST(Diagonal, OfAnyTwoAxes) {
  EXPECT_EQ(diagonal(matrix()).str(), "f32[2] {1, 5}");
  const Tensor x = reshape(arange(12), {2, 3, 2});
  EXPECT_EQ(diagonal(x, 0, 2).str(), "i64[3, 2] {{0, 7}, {2, 9}, {4, 11}}");
  EXPECT_EQ(error_of([&] { diagonal(x, 1, -2); }),
            "diagonal: wanted two different axes; got 1 and -2");
}

TEST(Split, IntoPieces) {
  const Tensors parts = split(arange(6), {1, 0, 5});
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].str(), "i64[1] {0}");
  EXPECT_EQ(parts[1].str(), "i64[0] {}");
  EXPECT_EQ(parts[2].str(), "i64[5] {1, 2, 3, 4, 5}");
  EXPECT_TRUE(same_bits(concat(split(matrix(), {1, 2}, 1), 1), matrix()));
  EXPECT_EQ(error_of([] {
              split(matrix(), {1, 1}, 1);
            }),
            "split: wanted sizes that add up to 3, axis 1 of x [2, 3]; got [1, 1]");
  EXPECT_EQ(error_of([] {
              split(matrix(), {4, -1}, 1);
            }),
            "split: wanted sizes that add up to 3, axis 1 of x [2, 3]; got [4, -1]");
}

// ---- joining -----------------------------------------------------------------------------------

TEST(Concat, JoinsAlongAnAxis) {
  EXPECT_EQ(concat({matrix(), zeros({1, 3})}).str(), "f32[3, 3] {{1, 2, 3}, {4, 5, 6}, {0, 0, 0}}");
  EXPECT_EQ(concat({matrix(), zeros({2, 1})}, -1).str(), "f32[2, 4] {{1, 2, 3, 0}, {4, 5, 6, 0}}");
  EXPECT_TRUE(same_bits(concat({strided(matrix()), transpose(zeros({3, 2}))}, 1),
                        concat({matrix(), zeros({2, 3})}, 1)));
  EXPECT_EQ(concat({zeros({0, 3}), matrix()}).shape(), (Shape{2, 3}));
  EXPECT_EQ(concat({arange(2), arange(1)}).str(), "i64[3] {0, 1, 0}");
  EXPECT_EQ(error_of([] {
              concat({matrix(), zeros({2, 2})});
            }),
            "concat: wanted parts that agree with part 0 [2, 3] but for axis 0; got part 1 [2, 2]");
  EXPECT_EQ(error_of([] { concat(Tensors{}); }), "concat: wanted at least one tensor; got none");
  EXPECT_EQ(error_of([] {
              concat({matrix(), arange(3)});
            }),
            "concat: wanted arguments of one dtype; got f32[2, 3] and i64[3] (convert one with "
            "to())");
}

TEST(Stack, MakesANewAxis) {
  const Tensor a = tensor({1, 2}), b = tensor({3, 4});
  EXPECT_EQ(stack({a, b}).str(), "f32[2, 2] {{1, 2}, {3, 4}}");
  EXPECT_EQ(stack({a, b}, -1).str(), "f32[2, 2] {{1, 3}, {2, 4}}");
  EXPECT_EQ(stack({tensor(1), tensor(2)}).str(), "f32[2] {1, 2}");
  EXPECT_EQ(error_of([&] {
              stack({a, tensor({1})});
            }),
            "stack: wanted parts of one shape; got [2] and [1]");
}

TEST(Triangles, KeepOneSide) {
  const Tensor x = reshape(arange(9) + 1.0, {3, 3});
  EXPECT_EQ(tril(x).str(), "i64[3, 3] {{1, 0, 0}, {4, 5, 0}, {7, 8, 9}}");
  EXPECT_EQ(tril(x, 1).str(), "i64[3, 3] {{1, 2, 0}, {4, 5, 6}, {7, 8, 9}}");
  EXPECT_EQ(tril(x, -5).str(), "i64[3, 3] {{0, 0, 0}, {0, 0, 0}, {0, 0, 0}}");
  EXPECT_EQ(triu(x).str(), "i64[3, 3] {{1, 2, 3}, {0, 5, 6}, {0, 0, 9}}");
  EXPECT_EQ(triu(x, 2).str(), "i64[3, 3] {{0, 0, 3}, {0, 0, 0}, {0, 0, 0}}");
  EXPECT_EQ(tril(ones({2, 2, 3}, Dtype::b8)).str(),
            "b8[2, 2, 3] {{{true, false, false}, {true, true, false}}, {{true, false, false}, "
            "{true, true, false}}}");
  EXPECT_TRUE(same_bits(triu(strided(x)), triu(x)));
  EXPECT_EQ(error_of([] { tril(arange(3)); }), "tril: wanted x with at least two axes; got [3]");
}

// ---- indexing ----------------------------------------------------------------------------------

TEST(Index, SelectsSlices) {
  const Tensor at = tensor({1, 1, 0}, Dtype::i64);
  EXPECT_EQ(index_select(matrix(), 0, at).str(), "f32[3, 3] {{4, 5, 6}, {4, 5, 6}, {1, 2, 3}}");
  EXPECT_EQ(index_select(matrix(), -1, at).str(), "f32[2, 3] {{2, 2, 1}, {5, 5, 4}}");
  EXPECT_TRUE(same_bits(index_select(strided(matrix()), 1, at), index_select(matrix(), 1, at)));
  EXPECT_EQ(index_select(matrix(), 0, zeros({0}, Dtype::i64)).shape(), (Shape{0, 3}));
  EXPECT_EQ(error_of([] {
              index_select(matrix(), 0, tensor({0, 2}, Dtype::i64));
            }),
            "index_select: wanted indices in [0, 2); got 2 at position 1 of [2]");
  EXPECT_EQ(error_of([] { index_select(matrix(), 0, tensor({-1}, Dtype::i64)); }),
            "index_select: wanted indices in [0, 2); got -1 at position 0 of [1]");
  EXPECT_EQ(error_of([] { index_select(matrix(), 0, matrix()); }),
            "index_select: wanted an index of one axis; got [2, 3]");
}

TEST(Index, AddsUpRepeatedIndices) {
  const Tensor at = tensor({1, 1, 0}, Dtype::i64);
  EXPECT_EQ(index_add(zeros({2}), 0, at, tensor({1, 2, 4})).str(), "f32[2] {4, 3}");
  EXPECT_EQ(error_of([&] {
              index_add(zeros({2}), 0, at, tensor({1, 2}));
            }),
            "index_add: wanted source [3] for x [2] and index [3]; got [2]");
}

TEST(Index, GathersAndScatters) {
  const Tensor at = reshape(tensor({2, 0, 1, 1}, Dtype::i64), {2, 2});
  EXPECT_EQ(gather(matrix(), 1, at).str(), "f32[2, 2] {{3, 1}, {5, 5}}");
  EXPECT_EQ(scatter_add(zeros({2, 3}), 1, at, ones({2, 2})).str(),
            "f32[2, 3] {{1, 0, 1}, {0, 2, 0}}");
  EXPECT_EQ(gather(matrix(), 0, tensor({{1, 0, 1}}, Dtype::i64)).str(), "f32[1, 3] {{4, 2, 6}}");
  EXPECT_EQ(error_of([&] { gather(matrix(), 0, at); }),
            "gather: wanted indices in [0, 2); got 2 at position 0 of [2, 2]");
  EXPECT_EQ(error_of([] { gather(matrix(), 1, arange(2)); }),
            "gather: wanted an index with the rank of x [2, 3] and, off axis 1, lengths no larger "
            "than its; got [2]");
}

TEST(Index, EmbeddingAndOneHot) {
  const Tensor table = tensor({{1, 2}, {3, 4}, {5, 6}});
  const Tensor ids = tensor({{2, 0}, {1, 1}}, Dtype::i64);
  EXPECT_EQ(embedding(table, ids).str(), "f32[2, 2, 2] {{{5, 6}, {1, 2}}, {{3, 4}, {3, 4}}}");
  EXPECT_TRUE(same_bits(matmul(one_hot(ids, 3), table), embedding(table, ids)));
  EXPECT_EQ(embedding(table, tensor(1, Dtype::i64)).str(), "f32[2] {3, 4}");
  EXPECT_EQ(embedding(table, zeros({0}, Dtype::i64)).shape(), (Shape{0, 2}));
  EXPECT_EQ(one_hot(tensor({1}, Dtype::i64), 3, Dtype::b8).str(),
            "b8[1, 3] {{false, true, false}}");
  EXPECT_EQ(error_of([&] { one_hot(ids, 2); }),
            "one_hot: wanted indices in [0, 2); got 2 at position 0 of [2, 2]");
  EXPECT_EQ(error_of([&] { embedding(table, ones({2})); }),
            "embedding: wanted ids of i64; got f32[2]");
}

TEST(Products, OfVectorsAndBatches) {
  const Tensor v = tensor({1, 2, 3});
  EXPECT_EQ(matmul(v, v).str(), "f32[] 14");
  EXPECT_EQ(matmul(matrix(), v).str(), "f32[2] {14, 32}");
  EXPECT_EQ(matmul(tensor({1, 10}), matrix()).str(), "f32[3] {41, 52, 63}");
  EXPECT_EQ(matmul(zeros({4, 1, 2, 3}), zeros({5, 3, 6})).shape(), (Shape{4, 5, 2, 6}));
  EXPECT_TRUE(same_bits(matmul(zeros({2, 0}), zeros({0, 3})), zeros({2, 3})));
  EXPECT_EQ(matmul(zeros({0, 2}), zeros({2, 3})).shape(), (Shape{0, 3}));
  EXPECT_EQ(error_of([&] { matmul(matrix(), matrix()); }),
            "matmul: wanted a [..., m, k] and b [..., k, n]; got a [2, 3] and b [2, 3]");
  EXPECT_EQ(error_of([&] { matmul(v, tensor(2)); }),
            "matmul: wanted at least one axis each; got a [3] and b []");
  EXPECT_EQ(error_of([&] {
              linear(matrix(), zeros({4, 2}));
            }),
            "linear: wanted x [..., in] and weight [out, in]; got x [2, 3] and weight [4, 2]");
  EXPECT_EQ(error_of([&] {
              linear(matrix(), zeros({4, 3}), zeros({3}));
            }),
            "linear: wanted bias [4], the first axis of weight [4, 3]; got [3]");
}

}  // namespace
}  // namespace rapt
