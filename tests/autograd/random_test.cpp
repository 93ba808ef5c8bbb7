#include "rapt/autograd/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include "../support/tensors.h"
#include "rapt/autograd/kernels/philox.h"

namespace rapt {
namespace {

using tests::error_of;
using tests::same_bits;
using tests::WithThreads;

/// The four words of one block.
std::vector<uint32_t> philox(uint64_t key, uint64_t counter) {
  std::vector<uint32_t> group(kernels::draws_per_group);
  kernels::philox_group(key, counter, group.data());
  std::vector<uint32_t> words;
  for (int64_t w = 0; w < 4; ++w) {
    words.push_back(group[static_cast<size_t>(w * kernels::blocks_per_group)]);
  }
  return words;
}

// From Random123's kat_vectors (philox 4x32, 10 rounds).
TEST(Philox, GivesTheKnownAnswer) {
  EXPECT_EQ(philox(0, 0), (std::vector<uint32_t>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
}

/// Philox 4x32-10 as its paper (SC 2011, section 3.3 and figure 4) writes it, all four counter
/// words free.
std::vector<uint32_t> philox_of_the_paper(std::vector<uint32_t> c, uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0], p1 = uint64_t{0xCD9E8D57} * c[2];
    c = std::vector<uint32_t>{
        static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
        static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

// rapt leaves the upper two words of the counter at 0, so the other known answers cannot be asked
// of it; they vouch for the paper's algorithm, and that for every key and counter.
TEST(Philox, IsThePapersAlgorithm) {
  constexpr uint32_t all = 0xffffffff;
  ASSERT_EQ(philox_of_the_paper({all, all, all, all}, all, all),
            (std::vector<uint32_t>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  ASSERT_EQ(
      philox_of_the_paper({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0xa4093822, 0x299f31d0),
      (std::vector<uint32_t>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
  for (const uint64_t key : {uint64_t{1}, uint64_t{0x123456789abcdef0}, ~uint64_t{0}}) {
    for (const uint64_t counter :
         {uint64_t{0}, uint64_t{0xfffffff8}, uint64_t{0xfedcba9876543210}}) {
      std::vector<uint32_t> group(kernels::draws_per_group);
      kernels::philox_group(key, counter, group.data());
      for (uint64_t block = 0; block < 16; ++block) {  // across the carry into the second word
        const uint64_t c = counter + block;
        const std::vector<uint32_t> wanted =
            philox_of_the_paper({static_cast<uint32_t>(c), static_cast<uint32_t>(c >> 32), 0, 0},
                                static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32));
        for (size_t word = 0; word < 4; ++word) EXPECT_EQ(group[word * 16 + block], wanted[word]);
      }
    }
  }
}

double mean_of(const Tensor& x) { return mean(x.to(Dtype::f64)).item(); }
double variance_of(const Tensor& x) { return var(x.to(Dtype::f64)).item(); }

/// The correlation of each element with the one `lag` further on.
double correlation(const Tensor& x, int64_t lag) {
  const Tensor y = x.to(Dtype::f64) - mean_of(x);
  const int64_t n = y.numel();
  return sum(slice(y, 0, 0, n - lag) * slice(y, 0, lag, n)).item() / sum(y * y).item();
}

constexpr int64_t many = 200'000;
// Five standard errors of a mean of `many` draws of variance 1.
const double five_sigma = 5 / std::sqrt(static_cast<double>(many));

class Numbers : public ::testing::TestWithParam<Dtype> {};

TEST_P(Numbers, UniformIsUniform) {
  Rng rng(7);
  const Tensor x = rng.uniform({many}, 0, 1, GetParam());
  EXPECT_EQ(x.dtype(), GetParam());
  EXPECT_GE(min(x).item(), 0);
  EXPECT_LT(max(x).item(), 1);
  EXPECT_NEAR(mean_of(x), 0.5, five_sigma * std::sqrt(1 / 12.0));
  EXPECT_NEAR(variance_of(x), 1 / 12.0, five_sigma * std::sqrt(1 / 180.0));
  for (const int64_t lag : {1, 2, 16, 32, 64}) {
    EXPECT_NEAR(correlation(x, lag), 0, five_sigma) << lag;
  }
  // 100 bins: chi squared has mean 99 and standard deviation sqrt(198).
  std::vector<double> bins(100);
  for (const double v : x.to(Dtype::f64).values<double>()) ++bins[static_cast<size_t>(v * 100)];
  double chi_squared = 0;
  const double expected = static_cast<double>(many) / 100;
  for (const double b : bins) chi_squared += (b - expected) * (b - expected) / expected;
  EXPECT_NEAR(chi_squared, 99, 5 * std::sqrt(198.0));
}

TEST_P(Numbers, NormalIsNormal) {
  Rng rng(8);
  const Tensor x = rng.normal({many}, 0, 1, GetParam());
  EXPECT_TRUE(min(isfinite(x).to(Dtype::i64)).item() == 1);
  EXPECT_NEAR(mean_of(x), 0, five_sigma);
  EXPECT_NEAR(variance_of(x), 1, five_sigma * std::sqrt(2.0));
  const Tensor y = x.to(Dtype::f64);
  EXPECT_NEAR(mean_of(y * y * y), 0, five_sigma * std::sqrt(15.0));
  EXPECT_NEAR(mean_of(y * y * y * y), 3, five_sigma * std::sqrt(96.0));
  for (const int64_t lag : {1, 2, 16, 32, 64}) {
    EXPECT_NEAR(correlation(x, lag), 0, five_sigma) << lag;
    EXPECT_NEAR(correlation(x * x, lag), 0, five_sigma) << lag;  // Box and Muller's pairs
  }
  // The share below -1, 0, 1 and 2.
  for (const double edge : {-1.0, 0.0, 1.0, 2.0}) {
    const double share = mean_of(less(y, tensor(edge, Dtype::f64)));
    EXPECT_NEAR(share, 0.5 * std::erfc(-edge / std::sqrt(2.0)), five_sigma / 2) << edge;
  }
}

TEST_P(Numbers, RangeAndSpreadAreTakenAsGiven) {
  Rng rng(9);
  const Tensor u = rng.uniform({many}, -3, 5, GetParam());
  EXPECT_GE(min(u).item(), -3);
  EXPECT_LT(max(u).item(), 5);
  EXPECT_NEAR(mean_of(u), 1, 8 * five_sigma);
  const Tensor n = rng.normal({many}, 10, 2, GetParam());
  EXPECT_NEAR(mean_of(n), 10, 2 * five_sigma);
  EXPECT_NEAR(variance_of(n), 4, 4 * 2 * five_sigma);
  EXPECT_TRUE(same_bits(rng.uniform({3}, 2, 2, GetParam()), full({3}, 2, GetParam())));
  EXPECT_TRUE(same_bits(rng.normal({3}, 2, 0, GetParam()), full({3}, 2, GetParam())));
}

INSTANTIATE_TEST_SUITE_P(Floats, Numbers, ::testing::Values(Dtype::f32, Dtype::f64),
                         [](const auto& dtype) { return std::string(name_of(dtype.param)); });

TEST(Rng, IntegersAreEvenOverTheirRange) {
  Rng rng(10);
  const Tensor x = rng.integers(-3, 4, {many});
  EXPECT_EQ(x.dtype(), Dtype::i64);
  std::vector<double> counts(7);
  for (const int64_t v : x.values<int64_t>()) {
    ASSERT_TRUE(-3 <= v && v < 4) << v;
    ++counts[static_cast<size_t>(v + 3)];
  }
  for (const double count : counts) {
    EXPECT_NEAR(count / many, 1 / 7.0, five_sigma * std::sqrt(6 / 49.0));
  }
  EXPECT_NEAR(correlation(x, 1), 0, five_sigma);
}

TEST(Rng, IntegersReachTheWholeRangeOfTheirType) {
  Rng rng(11);
  constexpr int64_t lowest = std::numeric_limits<int64_t>::min();
  constexpr int64_t highest = std::numeric_limits<int64_t>::max();
  const std::vector<int64_t> x = rng.integers(lowest, highest, {1000}).values<int64_t>();
  EXPECT_LT(*std::min_element(x.begin(), x.end()), lowest / 2);
  EXPECT_GT(*std::max_element(x.begin(), x.end()), highest / 2);
  EXPECT_TRUE(same_bits(rng.integers(5, 6, {4}), full({4}, 5, Dtype::i64)));
}

TEST(Rng, BernoulliIsTrueWithItsProbability) {
  Rng rng(12);
  for (const double p : {0.1, 0.5, 0.9}) {
    const Tensor x = rng.bernoulli(p, {many});
    EXPECT_EQ(x.dtype(), Dtype::b8);
    EXPECT_NEAR(mean_of(x), p, five_sigma * std::sqrt(p * (1 - p)));
  }
  EXPECT_TRUE(same_bits(rng.bernoulli(0, {1000}), zeros({1000}, Dtype::b8)));
  EXPECT_TRUE(same_bits(rng.bernoulli(1, {1000}), ones({1000}, Dtype::b8)));
}

TEST(Rng, APermutationHasEachIndexOnce) {
  Rng rng(13);
  for (const int64_t n : {0, 1, 2, 1000}) {
    std::vector<int64_t> p = rng.permutation(n).values<int64_t>();
    std::sort(p.begin(), p.end());
    EXPECT_EQ(p, arange(n).values<int64_t>());
  }
}

TEST(Rng, AllPermutationsAreEquallyLikely) {
  Rng rng(14);
  std::vector<double> counts(27);
  constexpr int draws = 12'000;
  for (int i = 0; i < draws; ++i) {
    const std::vector<int64_t> p = rng.permutation(3).values<int64_t>();
    ++counts[static_cast<size_t>(p[0] * 9 + p[1] * 3 + p[2])];
  }
  int seen = 0;
  for (const double count : counts) {
    if (count == 0) continue;
    ++seen;
    EXPECT_NEAR(count / draws, 1 / 6.0, 5 * std::sqrt(5 / 36.0 / draws));
  }
  EXPECT_EQ(seen, 6);
}

TEST(Rng, SingleNumbers) {
  Rng rng(15);
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double u = rng.uniform();
    ASSERT_TRUE(0 <= u && u < 1);
    sum += u;
  }
  EXPECT_NEAR(sum / 10'000, 0.5, 5 * std::sqrt(1 / 12.0) / 100);
  std::set<int64_t> seen;
  for (int i = 0; i < 200; ++i) seen.insert(rng.integer(2, 6));
  EXPECT_EQ(seen, (std::set<int64_t>{2, 3, 4, 5}));
}

TEST(Rng, ASeedIsAStream) {
  EXPECT_TRUE(same_bits(Rng(3).normal({50}), Rng(3).normal({50})));
  EXPECT_FALSE(same_bits(Rng(3).normal({50}), Rng(4).normal({50})));
  Rng rng(3);
  EXPECT_FALSE(same_bits(rng.normal({50}), rng.normal({50})));
}

TEST(Rng, CopyingCopiesTheStream) {
  Rng a(5);
  a.uniform();
  Rng b = a;
  EXPECT_TRUE(same_bits(a.normal({5}), b.normal({5})));
}

TEST(Rng, DrawsOfOneStreamNeverOverlap) {
  Rng rng(6);
  std::set<double> seen;
  size_t drawn = 0;
  for (const int64_t n : {1, 31, 32, 33, 64, 100}) {
    for (const double v : rng.uniform({n}, 0, 1, Dtype::f64).values<double>()) seen.insert(v);
    seen.insert(rng.uniform());
    drawn += static_cast<size_t>(n) + 1;
  }
  EXPECT_EQ(seen.size(), drawn);
}

TEST(Rng, ForksAreIndependentOfEachOtherAndOfTheirParent) {
  Rng parent(16);
  Rng a = parent.fork(), b = parent.fork();
  const Tensor x = a.normal({many}), y = b.normal({many}), z = parent.normal({many});
  for (const auto& [u, v] : {std::pair(x, y), std::pair(x, z), std::pair(y, z)}) {
    EXPECT_NEAR(mean_of(u * v), 0, five_sigma);
  }
  Rng again(16);
  EXPECT_TRUE(same_bits(again.fork().normal({many}), x));
}

TEST(Rng, StateIsAllThatTheNextDrawsDependOn) {
  Rng rng(17);
  rng.normal({100});
  const Tensor state = rng.state();
  EXPECT_EQ(state.dtype(), Dtype::i64);
  EXPECT_EQ(state.shape(), Shape{2});
  const auto draw_all = [](Rng& r) {
    return Tensors{r.normal({33}), r.integers(0, 10, {7}), r.bernoulli(0.5, {9}), r.permutation(20),
                   r.fork().uniform({3})};
  };
  const Tensors first = draw_all(rng);
  Rng other(999);
  other.set_state(state);
  const Tensors second = draw_all(other);
  for (size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(same_bits(first[i], second[i]));
  EXPECT_TRUE(same_bits(rng.state(), other.state()));
}

TEST(Rng, TheSameNumbersForAnyNumberOfThreads) {
  const auto draw_all = [](int threads) {
    const WithThreads scope(threads);
    Rng rng(18);
    return Tensors{rng.uniform({300'001}), rng.normal({300'001}, 0, 1, Dtype::f64),
                   rng.integers(0, 1000, {100'003}), rng.bernoulli(0.3, {100'003}),
                   dropout(ones({300'001}), 0.5, rng)};
  };
  const Tensors one = draw_all(1);
  for (const int threads : {2, 4}) {
    const Tensors more = draw_all(threads);
    for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(same_bits(one[i], more[i])) << i;
  }
}

TEST(Rng, EmptyShapesAndScalars) {
  Rng rng(19);
  EXPECT_EQ(rng.normal({0, 3}).shape(), (Shape{0, 3}));
  EXPECT_EQ(rng.uniform(Shape{}).rank(), 0);
}

TEST(Rng, BadArgumentsThrow) {
  Rng rng(20);
  const Tensor before = rng.state();
  EXPECT_EQ(error_of([&] { rng.integers(3, 3, {2}); }), "integers: wanted low < high; got 3 and 3");
  EXPECT_EQ(error_of([&] { rng.integer(4, 3); }), "integer: wanted low < high; got 4 and 3");
  EXPECT_EQ(error_of([&] { rng.bernoulli(1.5, {2}); }), "bernoulli: wanted 0 <= p <= 1; got 1.5");
  EXPECT_EQ(error_of([&] { rng.bernoulli(std::nan(""), {2}); }),
            "bernoulli: wanted 0 <= p <= 1; got nan");
  EXPECT_EQ(error_of([&] { rng.uniform({2}, 1, 0); }), "uniform: wanted low <= high; got 1 and 0");
  EXPECT_EQ(error_of([&] { rng.normal({2}, 0, -1); }), "normal: wanted stddev >= 0; got -1");
  EXPECT_EQ(error_of([&] { rng.normal({2}, 0, 1, Dtype::i64); }),
            "normal: wanted dtype f32 or f64; got i64");
  EXPECT_EQ(error_of([&] { rng.set_state(zeros({2})); }),
            "set_state: wanted i64[2] from Rng::state; got f32[2]");
  EXPECT_EQ(error_of([&] { rng.permutation(-1); }), "permutation: wanted n >= 0; got -1");
  EXPECT_TRUE(same_bits(rng.state(), before));  // a refused draw draws nothing
}

}  // namespace
}  // namespace rapt
