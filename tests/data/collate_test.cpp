#include "rapt/data/collate.h"

#include <gtest/gtest.h>

#include "files.h"
#include "rapt/autograd/ops.h"

namespace rapt::data {
namespace {

using Integers = std::vector<int64_t>;

Tensor integers(const Integers& values) { return from_values(values); }

TEST(Collate, FillsUpToTheLongestAndSaysTheLengths) {
  const NamedTensors batch =
      collate({{{"tokens", integers({1, 2})}, {"targets", integers({3, 4})}},
               {{"tokens", integers({5, 6, 7, 8})}, {"targets", integers({1, 2, 3, 4})}},
               {{"tokens", integers({})}, {"targets", integers({})}}},
              {{"tokens", 0}, {"targets", -100}});
  EXPECT_EQ(batch["tokens"].shape(), (Shape{3, 4}));
  EXPECT_EQ(batch["tokens"].values<int64_t>(), (Integers{1, 2, 0, 0, 5, 6, 7, 8, 0, 0, 0, 0}));
  EXPECT_EQ(batch["targets"].values<int64_t>(),
            (Integers{3, 4, -100, -100, 1, 2, 3, 4, -100, -100, -100, -100}));
  EXPECT_EQ(batch["lengths"].values<int64_t>(), (Integers{2, 4, 0}));
}

TEST(Collate, StacksEveryDtypeAndScalars) {
  const NamedTensors batch = collate(
      {{{"x", tensor({{1, 2}})}, {"y", tensor(0.5, Dtype::f64)}, {"z", ones({1}, Dtype::b8)}},
       {{"x", tensor({{3, 4}, {5, 6}})},
        {"y", tensor(1.5, Dtype::f64)},
        {"z", ones({2}, Dtype::b8)}}},
      {{"x", -1}, {"z", 0}});
  EXPECT_EQ(batch["x"].shape(), (Shape{2, 2, 2}));
  EXPECT_EQ(batch["x"].values<float>(), (std::vector<float>{1, 2, -1, -1, 3, 4, 5, 6}));
  EXPECT_EQ(batch["y"].shape(), Shape{2});
  EXPECT_EQ(batch["y"].values<double>(), (std::vector<double>{0.5, 1.5}));
  EXPECT_EQ(batch["z"].values<bool>(), (std::vector<bool>{true, false, true, true}));
  EXPECT_EQ(batch["lengths"].values<int64_t>(), (Integers{1, 2}));
}

TEST(Collate, ReadsStridedViews) {
  const Tensor even = slice(arange(8), 0, 0, 8, 2);
  EXPECT_EQ(collate({{{"x", even}}})["x"].values<int64_t>(), (Integers{0, 2, 4, 6}));
}

TEST(Collate, LeavesTheLengthsAloneWhenTheyAreGivenOrThereAreNone) {
  const NamedTensors own = collate({{{"lengths", tensor(9, Dtype::i64)}, {"x", integers({1})}}});
  EXPECT_EQ(own["lengths"].values<int64_t>(), Integers{9});
  EXPECT_FALSE(collate({{{"x", tensor(1)}}}).contains("lengths"));
}

TEST(Collate, GivesEachNameItsLengths) {
  const NamedTensors pairs =
      collate({{{"id", tensor(1)}, {"source", integers({1, 2, 3})}, {"target", integers({1})}},
               {{"id", tensor(2)}, {"source", integers({1})}, {"target", integers({1})}}},
              {{"source", 0}});
  EXPECT_EQ(pairs["source.lengths"].values<int64_t>(), (Integers{3, 1}));
  EXPECT_EQ(pairs["target.lengths"].values<int64_t>(), (Integers{1, 1}));
  EXPECT_FALSE(pairs.contains("lengths")) << "whose would they be?";
  EXPECT_FALSE(pairs.contains("id.lengths"));
  const NamedTensors alike = collate({{{"tokens", integers({1, 2})}, {"targets", ones({2})}}});
  EXPECT_EQ(alike["lengths"].values<int64_t>(), Integers{2});
}

// 0 is a class like any other: it would be learnt where there is nothing.
TEST(Collate, AsksWhatFillsUpIntegers) {
  const std::vector<NamedTensors> ragged = {{{"labels", integers({1, 2})}},
                                            {{"labels", integers({3})}}};
  EXPECT_ERROR("wanted a padding of \"labels\"", collate(ragged));
  EXPECT_EQ(collate(ragged, {{"labels", -100}})["labels"].values<int64_t>(),
            (Integers{1, 2, 3, -100}));
  EXPECT_EQ(collate({{{"x", ones({2})}}, {{"x", ones({1})}}})["x"].values<float>(),
            (std::vector<float>{1, 1, 1, 0}));
}

TEST(Collate, NamesWhatDoesNotFit) {
  EXPECT_ERROR("at least one example", collate({}));
  EXPECT_ERROR("wanted \"x\" alike in all examples, but for axis 0; got f32[1, 2] and f32[1, 3]",
               collate({{{"x", zeros({1, 2})}}, {{"x", zeros({1, 3})}}}));
  EXPECT_ERROR("got f32[2] and f32[]", collate({{{"x", zeros({2})}}, {{"x", zeros({})}}}));
  EXPECT_ERROR("got f32[2] and f64[2]",
               collate({{{"x", zeros({2})}}, {{"x", zeros({2}, Dtype::f64)}}}));
  EXPECT_ERROR("got \"x\" in the first but not in example 1",
               collate({{{"x", zeros({2})}}, {{"y", zeros({2})}}}));
  EXPECT_ERROR("got 1 tensors in the first and 2 in example 1",
               collate({{{"x", zeros({2})}}, {{"x", zeros({2})}, {"y", zeros({2})}}}));
  EXPECT_ERROR("at most 7 axes; got \"x\"", collate({{{"x", zeros({1, 1, 1, 1, 1, 1, 1, 1})}}}));
  EXPECT_ERROR("a whole number as padding of the i64 \"x\"; got 0.5",
               collate({{{"x", integers({1})}}}, {{"x", 0.5}}));
  EXPECT_ERROR("\"x\" of example 1 is undefined",
               collate({{{"x", zeros({2})}}, {{"x", Tensor()}}}));
  EXPECT_ERROR("\"x\" of example 0 is undefined", collate({{{"x", Tensor()}}}));
}

}  // namespace
}  // namespace rapt::data
