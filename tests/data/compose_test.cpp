#include "rapt/data/compose.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "files.h"
#include "rapt/autograd/ops.h"
#include "rapt/data/loader.h"

namespace rapt::data {
namespace {

using Integers = std::vector<int64_t>;

/// {"x": first + index}.
class Counting : public Dataset {
 public:
  explicit Counting(int64_t size, int64_t first = 0) : size_(size), first_(first) {}
  int64_t size() const override { return size_; }
  NamedTensors get(int64_t index) const override {
    return {{"x", tensor(first_ + index, Dtype::i64)}};
  }

 private:
  int64_t size_, first_;
};

Integers all_of(const Dataset& dataset) {
  Integers out;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    out.push_back(static_cast<int64_t>(dataset.get(i)["x"].item()));
  }
  return out;
}

TEST(Compose, SubsetsAreInTheirOwnOrder) {
  EXPECT_EQ(all_of(Subset(Counting(5), {3, 0, 3})), (Integers{3, 0, 3}));
  EXPECT_EQ(all_of(Subset(Counting(5), 1, -1)), (Integers{1, 2, 3}));
  EXPECT_EQ(all_of(Subset(Counting(5), 3, 100)), (Integers{3, 4}));
  EXPECT_EQ(all_of(Subset(Counting(5), 4, 2)), Integers{});
  EXPECT_EQ(all_of(Subset(std::make_shared<Counting>(3), 0, 2)), (Integers{0, 1}));
}

TEST(Compose, ConcatenatesPartsThatMayBeEmpty) {
  const ConcatDataset all({Counting(2), Counting(0), Subset(Counting(9), 7, 9), Counting(1, 50)});
  EXPECT_EQ(all_of(all), (Integers{0, 1, 7, 8, 50}));
}

TEST(Compose, MapsWithTheIndex) {
  const MappedDataset squares(Counting(4, 1), [](const NamedTensors& example, int64_t index) {
    return NamedTensors{{"x", example["x"] * example["x"] + index}};
  });
  EXPECT_EQ(all_of(squares), (Integers{1, 5, 11, 19}));
  Loader loader(squares, {.batch_size = 4, .shuffle = false});
  EXPECT_EQ(loader.next()["x"].values<int64_t>(), (Integers{1, 5, 11, 19}));
}

TEST(Compose, Filters) {
  const Subset even = filter(Counting(7), [](const NamedTensors& example) {
    return static_cast<int64_t>(example["x"].item()) % 2 == 0;
  });
  EXPECT_EQ(all_of(even), (Integers{0, 2, 4, 6}));
}

TEST(Compose, SplitsAtRandomAndWithoutOverlap) {
  const auto [train, test] = random_split(Counting(20), {.test_fraction = 0.25, .seed = 3});
  EXPECT_EQ(test.size(), 5);
  Integers both = all_of(train);
  EXPECT_FALSE(std::ranges::is_sorted(both));
  for (const int64_t x : all_of(test)) both.push_back(x);
  std::ranges::sort(both);
  EXPECT_EQ(both, arange(20).values<int64_t>());
  EXPECT_EQ(all_of(random_split(Counting(20), {.test_fraction = 0.25, .seed = 3}).test),
            all_of(test));
  EXPECT_NE(all_of(random_split(Counting(20), {.test_fraction = 0.25, .seed = 4}).test),
            all_of(test));
  EXPECT_EQ(random_split(Counting(2), {.test_fraction = 0.01}).test.size(), 1);
  EXPECT_EQ(random_split(Counting(2), {.test_fraction = 0.99}).train.size(), 1);
}

TEST(Compose, NamesWhatCannotBe) {
  EXPECT_ERROR("Subset: wanted an index from 0 to 4; got 5", Subset(Counting(5), {0, 5}));
  EXPECT_ERROR("Subset: wanted an index from 0 to 1; got 2", Subset(Counting(5), 1, 3).get(2));
  EXPECT_ERROR("ConcatDataset: wanted at least one dataset",
               ConcatDataset(std::vector<AnyDataset>{}));
  EXPECT_ERROR("ConcatDataset: wanted an index from 0 to 2; got -1",
               ConcatDataset({Counting(3)}).get(-1));
  EXPECT_ERROR("MappedDataset: wanted a function", MappedDataset(Counting(3), {}));
  EXPECT_ERROR("null pointer", AnyDataset(std::shared_ptr<const Dataset>()));
  EXPECT_ERROR("random_split: wanted at least 2 examples; got 1", random_split(Counting(1)));
  EXPECT_ERROR("random_split: wanted a test_fraction in (0, 1); got 1",
               random_split(Counting(9), {.test_fraction = 1}));
}

}  // namespace
}  // namespace rapt::data
