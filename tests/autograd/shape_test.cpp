#include "rapt/autograd/shape.h"

#include <gtest/gtest.h>

#include "../support/tensors.h"

namespace rapt {
namespace {

using tests::error_of;

TEST(Shape, CountsItsElements) {
  EXPECT_EQ((Shape{2, 3, 4}).numel(), 24);
  EXPECT_EQ(Shape{}.numel(), 1);
  EXPECT_EQ((Shape{2, 0, 4}).numel(), 0);
  EXPECT_EQ(Shape{}.rank(), 0);
  EXPECT_EQ(Shape{5}.rank(), 1);
}

TEST(Shape, Reads) {
  EXPECT_EQ((Shape{2, 3}).str(), "[2, 3]");
  EXPECT_EQ(Shape{}.str(), "[]");
  EXPECT_EQ(Shape{7}.str(), "[7]");
  EXPECT_EQ((Axes{0, -1}).str(), "[0, -1]");
}

TEST(Shape, IsAListOfLengths) {
  Shape s = {2, 3};
  s.push_back(4);
  s.insert(0, 9);
  EXPECT_EQ(s, (Shape{9, 2, 3, 4}));
  s.insert(4, 5);
  EXPECT_EQ(s, (Shape{9, 2, 3, 4, 5}));
  s.erase(1);
  EXPECT_EQ(s, (Shape{9, 3, 4, 5}));
  s.pop_back();
  EXPECT_EQ(s.back(), 4);
  EXPECT_TRUE(s.contains(3));
  EXPECT_FALSE(s.contains(5));  // beyond the end
  EXPECT_FALSE((Shape{2} == Shape{2, 1}));
}

TEST(Shape, HasAtMostEightAxes) {
  EXPECT_EQ((Shape{1, 2, 3, 4, 5, 6, 7, 8}).rank(), 8);
  EXPECT_EQ(error_of([] { (void)Shape{1, 2, 3, 4, 5, 6, 7, 8, 9}; }),
            "shape: wanted at most 8 axes; got more than [1, 2, 3, 4, 5, 6, 7, 8]");
  EXPECT_EQ(error_of([] {
              unsqueeze(zeros({1, 1, 1, 1, 1, 1, 1, 1}), 0);
            }),
            "shape: wanted at most 8 axes; got more than [1, 1, 1, 1, 1, 1, 1, 1]");
}

TEST(Shape, OfATensorIsChecked) {
  EXPECT_EQ(error_of([] { zeros({2, -1}); }), "shape: wanted lengths of at least 0; got [2, -1]");
  EXPECT_EQ(error_of([] {
              zeros({1LL << 32, 1LL << 32});
            }),
            "shape: [4294967296, 4294967296] has more elements than memory can hold");
  EXPECT_EQ(error_of([] { arange(-1); }), "arange: wanted a length of at least 0; got -1");
}

TEST(Shape, RowMajorStrides) {
  EXPECT_EQ(row_major({2, 3, 4}), (Strides{12, 4, 1}));
  EXPECT_EQ(row_major({5}), Strides{1});
  EXPECT_EQ(row_major({}), Strides{});
}

TEST(Axis, MayBeNegative) {
  EXPECT_EQ(resolve_axis("op", 0, 3), 0);
  EXPECT_EQ(resolve_axis("op", -1, 3), 2);
  EXPECT_EQ(resolve_axis("op", -3, 3), 0);
  EXPECT_EQ(resolve_axes("op", {-1, 0}, 3), (Axes{2, 0}));
  EXPECT_EQ(resolve_axes("op", {}, 3), Axes{});
}

TEST(Axis, OutsideTheRankThrows) {
  EXPECT_EQ(error_of([] { resolve_axis("sum", 3, 3); }), "sum: wanted an axis in [-3, 3); got 3");
  EXPECT_EQ(error_of([] { resolve_axis("sum", -4, 3); }), "sum: wanted an axis in [-3, 3); got -4");
  EXPECT_EQ(error_of([] {
              resolve_axes("sum", {0, -3}, 3);
            }),
            "sum: wanted each axis once; got [0, -3]");
}

TEST(Axis, OfEveryOpIsChecked) {
  const Tensor x = zeros({2, 3});
  EXPECT_EQ(error_of([&] { sum(x, 2); }), "sum: wanted an axis in [-2, 2); got 2");
  EXPECT_EQ(error_of([&] { max(x, {0, 0}); }), "max: wanted each axis once; got [0, 0]");
  EXPECT_EQ(error_of([&] { softmax(x, 2); }), "softmax: wanted an axis in [-2, 2); got 2");
  EXPECT_EQ(error_of([&] { argmax(x, -3); }), "argmax: wanted an axis in [-2, 2); got -3");
  EXPECT_EQ(error_of([&] { slice(x, 2, 0, 1); }), "slice: wanted an axis in [-2, 2); got 2");
  EXPECT_EQ(error_of([&] { transpose(x, 0, 2); }), "transpose: wanted an axis in [-2, 2); got 2");
  EXPECT_EQ(error_of([&] { unsqueeze(x, 3); }), "unsqueeze: wanted an axis in [-3, 3); got 3");
  EXPECT_EQ(error_of([&] { concat({x, x}, 2); }), "concat: wanted an axis in [-2, 2); got 2");
  EXPECT_EQ(error_of([&] { stack({x, x}, 3); }), "stack: wanted an axis in [-3, 3); got 3");
  EXPECT_EQ(error_of([&] { x.size(2); }), "size: wanted an axis in [-2, 2); got 2");
  EXPECT_EQ(error_of([&] { index_select(x, 2, arange(1)); }),
            "index_select: wanted an axis in [-2, 2); got 2");
}

TEST(Broadcast, AlignsAtTheLastAxis) {
  EXPECT_EQ(broadcast("op", {2, 3}, {3}), (Shape{2, 3}));
  EXPECT_EQ(broadcast("op", {3}, {2, 3}), (Shape{2, 3}));
  EXPECT_EQ(broadcast("op", {2, 1}, {1, 3}), (Shape{2, 3}));
  EXPECT_EQ(broadcast("op", {}, {4}), Shape{4});
  EXPECT_EQ(broadcast("op", {1}, {0}), Shape{0});
  EXPECT_EQ(broadcast("op", {0}, {1}), Shape{0});
  EXPECT_EQ(broadcast("op", {5, 1, 3}, {4, 1}), (Shape{5, 4, 3}));
}

TEST(Broadcast, NamesBothShapes) {
  EXPECT_EQ(error_of([] {
              add(zeros({2, 3}), zeros({2}));
            }),
            "add: wanted shapes that broadcast (aligned at the last axis, equal or 1); got [2, 3] "
            "and [2]");
  EXPECT_EQ(
      error_of([] { broadcast("op", {2}, {0}); }),
      "op: wanted shapes that broadcast (aligned at the last axis, equal or 1); got [2] and [0]");
  EXPECT_EQ(error_of([] {
              broadcast("op", {3, 1}, {2, 1});
            }),
            "op: wanted shapes that broadcast (aligned at the last axis, equal or 1); got [3, 1] "
            "and [2, 1]");
}

TEST(Broadcast, ToAShape) {
  EXPECT_TRUE(broadcasts_to({1, 3}, {2, 3}));
  EXPECT_TRUE(broadcasts_to({}, {2, 3}));
  EXPECT_FALSE(broadcasts_to({2, 3}, {3}));
  EXPECT_FALSE(broadcasts_to({2}, {2, 3}));
  EXPECT_FALSE(broadcasts_to({3}, {2, 1}));
}

TEST(ReducedShape, KeepsOrDropsAxes) {
  EXPECT_EQ(reduced_shape({2, 3, 4}, {0, 2}, false), Shape{3});
  EXPECT_EQ(reduced_shape({2, 3, 4}, {0, 2}, true), (Shape{1, 3, 1}));
  EXPECT_EQ(reduced_shape({2, 3}, {}, false), (Shape{2, 3}));
}

}  // namespace
}  // namespace rapt
