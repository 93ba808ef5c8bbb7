// Elements in other places: results are new, edges, errors.

#include <gtest/gtest.h>

#include "../support/tensors.h"
#include "rapt/autograd/ops.h"

namespace rapt {
namespace {

using tests::error_of;

TEST(Arrange, OfNothingAndNever) {
  EXPECT_EQ(repeat(ones({2, 3}), {0, 2}).shape(), (Shape{0, 6}));
  EXPECT_EQ(repeat(ones({2, 3}), {2, 0}).shape(), (Shape{4, 0}));
  EXPECT_EQ(repeat(ones({}), {3}).str(), "f32[3] {1, 1, 1}");
  EXPECT_EQ(repeat(ones({}), {}).str(), "f32[] 1");
  EXPECT_EQ(roll(zeros({0}), 3, 0).shape(), (Shape{0}));
  EXPECT_EQ(chunk(zeros({0}), 3)[0].shape(), (Shape{0}));
  EXPECT_TRUE(unbind(zeros({0, 2})).empty());
  EXPECT_EQ(pad(zeros({0}), 0, 1, 1, 7).str(), "f32[2] {7, 7}");
}

TEST(Arrange, ResultsAreNewWhereTheySayNoView) {
  const Tensor x = ones({2, 3});
  for (Tensor y : {flip(x, {}), roll(x, 0, 1), repeat(x, {1, 1}), pad(x, 0, 0, 0)}) {
    y.mutable_data<float>()[0] = 9;
    EXPECT_EQ(x[0][0].item(), 1);
  }
}

TEST(Arrange, OfWholeNumbersAndTruth) {
  EXPECT_EQ(flip(from_values<int64_t>({1, 2, 3}), 0).str(), "i64[3] {3, 2, 1}");
  EXPECT_EQ(roll(from_values<int64_t>({1, 2, 3}), -1, 0).str(), "i64[3] {2, 3, 1}");
  EXPECT_EQ(pad(from_values(std::vector<bool>{true}), 0, 0, 1, 1).str(), "b8[2] {true, true}");
}

TEST(Arrange, BadArgumentsAreErrors) {
  const Tensor x = ones({2, 3});
  EXPECT_EQ(error_of([&] { flip(x, {0, 2}); }), "flip: wanted an axis in [-2, 2); got 2");
  EXPECT_EQ(error_of([&] { roll(x, 1, 2); }), "roll: wanted an axis in [-2, 2); got 2");
  EXPECT_EQ(error_of([&] {
              repeat(x, {2, -1});
            }),
            "repeat: wanted counts of at least 0; got [2, -1]");
  EXPECT_EQ(error_of([&] { repeat(x, {1, 1, 1, 1, 2}); }), "repeat: wanted at most 4 axes; got 5");
  EXPECT_EQ(error_of([&] { pad(x, 0, -1, 0); }),
            "pad: wanted at least 0 elements before and after; got -1 and 0");
  EXPECT_EQ(error_of([&] { chunk(x, 0); }), "chunk: wanted at least 1 piece; got 0");
}

}  // namespace
}  // namespace rapt
