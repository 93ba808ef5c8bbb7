// Order along an axis, beside std::stable_sort: any length and layout, equals, NaN, both zeros.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "../support/tensors.h"
#include "rapt/autograd/ops.h"

namespace rapt {
namespace {

using tests::error_of;
using tests::same_bits;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// The places of x's elements in order: NaN above all.
template <class T>
std::vector<int64_t> in_order(const std::vector<T>& x, bool descending) {
  const auto less = [](T a, T b) { return b != b ? a == a : a < b; };
  std::vector<int64_t> places(x.size());
  std::iota(places.begin(), places.end(), 0);
  std::stable_sort(places.begin(), places.end(), [&](int64_t a, int64_t b) {
    const T u = x[static_cast<size_t>(a)], v = x[static_cast<size_t>(b)];
    return descending ? less(v, u) : less(u, v);
  });
  return places;
}

/// Numbers of which many are equal, and some odd.
Tensor numbers(int64_t n, Dtype dtype) {
  Rng rng(static_cast<uint64_t>(n));
  if (dtype == Dtype::i64) {
    Tensor x = rng.integers(-5, 6, {n});
    if (n > 2) {
      x.mutable_data<int64_t>()[1] = std::numeric_limits<int64_t>::min();
      x.mutable_data<int64_t>()[2] = std::numeric_limits<int64_t>::max();
    }
    return x;
  }
  Tensor x = round(rng.normal({n}, 0, 4, Dtype::f64)) * 0.3;
  const double odd[] = {nan, -inf, inf, -0.0, 0.0, 1e-310, -1e300, nan};
  for (int64_t i = 0; i < n; i += 7) x.mutable_data<double>()[i] = odd[i / 7 % 8];
  return x.to(dtype);
}

template <class T>
void check_line(const Tensor& x) {
  const std::vector<T> values = x.values<T>();
  for (const bool descending : {false, true}) {
    const std::vector<int64_t> wanted = in_order(values, descending);
    const ValuesAndIndices found = sort(x, 0, {.descending = descending});
    EXPECT_EQ(found.indices.values<int64_t>(), wanted);
    EXPECT_TRUE(same_bits(found.values, gather(x, 0, found.indices)));
    EXPECT_TRUE(same_bits(argsort(x, 0, {.descending = descending}), found.indices));
    for (const int64_t k : {int64_t{0}, int64_t{1}, x.size(0) / 9, x.size(0) / 2, x.size(0)}) {
      const ValuesAndIndices first = topk(x, std::min(k, x.size(0)), 0, {.largest = descending});
      EXPECT_TRUE(same_bits(first.indices, slice(found.indices, 0, 0, first.indices.size(0))));
      EXPECT_TRUE(same_bits(first.values, slice(found.values, 0, 0, first.values.size(0))));
    }
  }
}

// On both sides of where counting begins.
TEST(Sort, IsStableAtAnyLength) {
  for (const int64_t n : {0, 1, 2, 5, 63, 64, 65, 300, 5000}) {
    for (const Dtype dtype : {Dtype::f32, Dtype::f64, Dtype::i64}) {
      SCOPED_TRACE(text(dtype, "[", n, "]"));
      const Tensor x = numbers(n, dtype);
      visit_number(dtype, [&](auto zero) { check_line<decltype(zero)>(x); });
    }
  }
}

TEST(Sort, AlongAnyAxisOfAnyLayout) {
  const Tensor x = Rng(1).normal({5, 70, 3});
  for (int64_t axis = 0; axis < 3; ++axis) {
    const ValuesAndIndices wanted = sort(transpose(x, axis, -1).contiguous());
    const ValuesAndIndices found = sort(x, axis);
    EXPECT_TRUE(same_bits(transpose(found.values, axis, -1), wanted.values));
    EXPECT_TRUE(same_bits(transpose(found.indices, axis, -1), wanted.indices));
    const Tensor permuted = permute(permute(x, {2, 0, 1}).contiguous(), {1, 2, 0});
    EXPECT_TRUE(same_bits(sort(permuted, axis).values, found.values));
    EXPECT_TRUE(same_bits(topk(permuted, 2, axis).indices, topk(x, 2, axis).indices));
    EXPECT_TRUE(same_bits(median(permuted, axis).indices, median(x, axis).indices));
  }
}

TEST(Sort, MedianIsTheLowerMiddleAndNaNIsItsOwn) {
  EXPECT_EQ(median(tensor({3, 1, 2, 4})).item(), 2);
  const ValuesAndIndices found = median(tensor({{1, nan, 0, nan}, {5, 5, 1, 9}}), 1);
  EXPECT_TRUE(std::isnan(found.values[0].item()));
  EXPECT_EQ(found.indices.str(), "i64[2] {1, 0}");
}

TEST(Sort, UniqueCountsAndFindsThemAgain) {
  const Tensor x = tensor({{3, -0.0, nan}, {0.0, 3, nan}});
  const Unique found = unique(x);
  EXPECT_EQ(found.counts.str(), "i64[4] {2, 2, 1, 1}");
  EXPECT_EQ(found.inverse.str(), "i64[2, 3] {{1, 0, 2}, {0, 1, 3}}");
  EXPECT_EQ(slice(found.values, 0, 0, 2).str(), "f32[2] {-0, 3}");
  EXPECT_EQ(unique(zeros({0})).values.str(), "f32[0] {}");
}

TEST(Sort, TheGradientGoesBackToWhereItCameFrom) {
  Tensor x = tensor({2, 7, 1, 7}).set_requires_grad();
  (topk(x, 2, 0).values * tensor({10, 1})).backward(ones({2}));
  EXPECT_EQ(x.grad().str(), "f32[4] {0, 10, 0, 1}");
}

TEST(Sort, BadArgumentsAreErrors) {
  EXPECT_EQ(error_of([] {
              topk(ones({2, 3}), 4);
            }),
            "topk: wanted a k in [0, 3], the length of axis -1 of [2, 3]; got 4");
  EXPECT_EQ(error_of([] { sort(ones({2}, Dtype::b8)); }),
            "sort: wanted x of f32, f64 or i64; got b8[2]");
  const Tensor long_one = expand(ones({1}), {int64_t{1} << 32});  // one element in memory
  for (const char* op : {"sort", "argsort", "topk", "median"}) {
    const std::string name = op;
    EXPECT_EQ(error_of([&] {
                if (name == "sort") sort(long_one);
                if (name == "argsort") argsort(long_one);
                if (name == "topk") topk(long_one, 1);
                if (name == "median") median(long_one, 0);
              }),
              name + ": wanted at most 4294967295 elements along an axis; got shape [4294967296]");
  }
  EXPECT_EQ(error_of([] { argsort(ones({2}), 1); }), "argsort: wanted an axis in [-1, 1); got 1");
  EXPECT_EQ(error_of([] {
              median(zeros({2, 0}), 1);
            }),
            "median: wanted at least one element along axis 1; got shape [2, 0]");
}

}  // namespace
}  // namespace rapt
