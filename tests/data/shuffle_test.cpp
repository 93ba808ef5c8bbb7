#include "rapt/data/shuffle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

#include "files.h"

namespace rapt::data {
namespace {

std::vector<int64_t> order(int64_t size, uint64_t seed, int64_t epoch) {
  const Shuffle shuffle(size, seed, epoch);
  std::vector<int64_t> out;
  for (int64_t i = 0; i < size; ++i) out.push_back(shuffle[i]);
  return out;
}

TEST(Shuffle, HoldsEveryNumberOnce) {
  for (const int64_t size : {1, 2, 3, 4, 5, 7, 31, 64, 100, 1000, 4099}) {
    std::vector<int64_t> sorted = order(size, 3, 1);
    std::sort(sorted.begin(), sorted.end());
    std::vector<int64_t> wanted(static_cast<size_t>(size));
    std::iota(wanted.begin(), wanted.end(), 0);
    EXPECT_EQ(sorted, wanted) << size;
  }
}

TEST(Shuffle, IsAFunctionOfSizeSeedAndEpoch) {
  EXPECT_EQ(order(100, 1, 2), order(100, 1, 2));
  EXPECT_NE(order(100, 1, 2), order(100, 1, 3));
  EXPECT_NE(order(100, 1, 2), order(100, 2, 2));
  EXPECT_NE(order(100, 1, 2), order(100, 2, 1));
}

TEST(Shuffle, EveryOrderOfFourIsEquallyLikely) {
  std::map<std::vector<int64_t>, int> counts;
  constexpr int draws = 24'000;
  for (int epoch = 0; epoch < draws; ++epoch) ++counts[order(4, 9, epoch)];
  EXPECT_EQ(counts.size(), 24u);
  double chi_squared = 0;  // 23 degrees of freedom: above 50 once in a thousand
  for (const auto& [key, count] : counts) chi_squared += std::pow(count - 1000.0, 2) / 1000;
  EXPECT_LT(chi_squared, 50);
}

TEST(Shuffle, NoPlacePrefersANumber) {
  constexpr int64_t size = 37;
  constexpr int epochs = 37'000;
  std::vector<int> counts(size * size);
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const std::vector<int64_t> numbers = order(size, 5, epoch);
    for (int64_t i = 0; i < size; ++i) ++counts[static_cast<size_t>(i * size + numbers[i])];
  }
  double chi_squared = 0;  // about 36 * 36 degrees of freedom: 1296, give or take 51
  for (const int count : counts) chi_squared += std::pow(count - 1000.0, 2) / 1000;
  EXPECT_NEAR(chi_squared, 1296, 5 * 51);
}

TEST(Shuffle, NeighboursAreSeparated) {
  const std::vector<int64_t> numbers = order(10'000, 1, 0);
  int close = 0;  // |difference| <= 10 happens by chance for about 20 pairs of 10,000
  for (size_t i = 1; i < numbers.size(); ++i) close += std::abs(numbers[i] - numbers[i - 1]) <= 10;
  EXPECT_LT(close, 45);
  EXPECT_GT(close, 4);
}

TEST(Shuffle, ReachesIntoABillionAtOnce) {
  const Shuffle shuffle(int64_t{1} << 40, 1, 7);
  for (int64_t i = 0; i < 1000; ++i) {
    EXPECT_GE(shuffle[i], 0);
    EXPECT_LT(shuffle[i], int64_t{1} << 40);
  }
}

TEST(Shuffle, RefusesPlacesThatAreNone) {
  EXPECT_ERROR("wanted a size of at least 1; got 0", Shuffle(0, 1, 1));
  EXPECT_ERROR("wanted a position in [0, 5); got 5", Shuffle(5, 1, 1)[5]);
  EXPECT_ERROR("wanted a position in [0, 5); got -1", Shuffle(5, 1, 1)[-1]);
}

}  // namespace
}  // namespace rapt::data
