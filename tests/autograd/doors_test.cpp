// What the public interface says is what it does.

#include <gtest/gtest.h>

#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "../support/tensors.h"
#include "rapt/autograd/autograd.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;
using tests::same_bits;

const Tensor m = tensor({{1, 2, 3}, {4, 5, 9}});

void expect_values(const Tensor& x, const Shape& shape, const std::vector<double>& values) {
  EXPECT_EQ(x.shape(), shape);
  EXPECT_EQ(x.to(Dtype::f64).values<double>(), values);
}

TEST(Doors, VarianceIsOverTheAxesThatAreGiven) {
  expect_values(var(m, -1), {2}, {1, 7});
  expect_values(var(m, {-1}), {2}, {1, 7});
  expect_values(var(m, {-1}, {.keepdim = true}), {2, 1}, {1, 7});
  expect_values(var(m, 0, {.correction = 0}), {3}, {2.25, 2.25, 9});
}

TEST(Doors, ANumberStandsWhereATensorOfItsValueWould) {
  expect_values(maximum(m, 3.0), {2, 3}, {3, 3, 3, 4, 5, 9});
  expect_values(maximum(3, m), {2, 3}, {3, 3, 3, 4, 5, 9});
  expect_values(minimum(m, 3), {2, 3}, {1, 2, 3, 3, 3, 3});
  expect_values(minimum(3.0, m), {2, 3}, {1, 2, 3, 3, 3, 3});
  expect_values(greater(m, 3.0), {2, 3}, {0, 0, 0, 1, 1, 1});
  expect_values(greater(3.0, m), {2, 3}, {1, 1, 0, 0, 0, 0});
  expect_values(less(m, 2), {2, 3}, {1, 0, 0, 0, 0, 0});
  expect_values(less_equal(2, m), {2, 3}, {0, 1, 1, 1, 1, 1});
  expect_values(greater_equal(m, 5), {2, 3}, {0, 0, 0, 0, 1, 1});
  expect_values(equal(m, 5), {2, 3}, {0, 0, 0, 0, 1, 0});
  expect_values(not_equal(5, m), {2, 3}, {1, 1, 1, 1, 0, 1});
  const Tensor c = greater(m, 3);
  expect_values(where(c, m, 0.0), {2, 3}, {0, 0, 0, 4, 5, 9});
  expect_values(where(c, -1, m), {2, 3}, {1, 2, 3, -1, -1, -1});
  expect_values(add(1, m), {2, 3}, {2, 3, 4, 5, 6, 10});
  expect_values(sub(m, 1), {2, 3}, {0, 1, 2, 3, 4, 8});
  expect_values(sub(1, m), {2, 3}, {0, -1, -2, -3, -4, -8});
  expect_values(mul(2, m), {2, 3}, {2, 4, 6, 8, 10, 18});
  expect_values(div(m, 2), {2, 3}, {0.5, 1, 1.5, 2, 2.5, 4.5});
  expect_values(div(36, m), {2, 3}, {36, 18, 12, 9, 7.2F, 4});
}

TEST(Doors, ANumberTakesTheDtypeBesideIt) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64, Dtype::i64}) {
    EXPECT_EQ(maximum(m.to(dtype), 3).dtype(), dtype);
    EXPECT_EQ(add(3, m.to(dtype)).dtype(), dtype);
    EXPECT_EQ(where(greater(m, 3), m.to(dtype), 0).dtype(), dtype);
    EXPECT_EQ(greater(m.to(dtype), 3).dtype(), Dtype::b8);
  }
  // 0.1 as f32, which is another number than 0.1.
  const Tensor tenth = tensor({0.1});
  EXPECT_TRUE(equal(tenth, 0.1).values<bool>()[0]);
}

TEST(Doors, ANumberHasToFit) {
  const Tensor ids = arange(3), flags = ids == 1;
  EXPECT_EQ(error_of([&] { maximum(ids, 0.5); }),
            "maximum: wanted a whole number beside i64[3]; got 0.5 (convert the tensor with to())");
  EXPECT_EQ(error_of([&] { less(0.5, ids); }),
            "less: wanted a whole number beside i64[3]; got 0.5 (convert the tensor with to())");
  EXPECT_EQ(error_of([&] { where(flags, ids, 0.5); }),
            "where: wanted a whole number beside i64[3]; got 0.5 (convert the tensor with to())");
  EXPECT_EQ(error_of([&] { equal(flags, 2); }),
            "equal: wanted 0 or 1 beside b8[3]; got 2 (convert the tensor with to())");
  EXPECT_EQ(error_of([] { maximum(1, 2.5); }),
            "maximum: wanted at least one tensor; got the numbers 1 and 2.5");
  EXPECT_EQ(error_of([&] { add(ids, 9007199254740993); }),
            "add: wanted an integer that a double holds, up to 2^53; got 9007199254740993 (make a "
            "tensor of it with from_values)");
  EXPECT_EQ(error_of([&] { add(9007199254740992, ids); }), "");
  // At the ends of the integers, where a conversion back would not be defined.
  constexpr int64_t most = std::numeric_limits<int64_t>::max();
  constexpr uint64_t most_unsigned = std::numeric_limits<uint64_t>::max();
  EXPECT_EQ(
      error_of([&] { less(ids, most); }),
      "less: wanted an integer that a double holds, up to 2^53; got 9223372036854775807 (make "
      "a tensor of it with from_values)");
  EXPECT_TRUE(greater(ids, -most - 1).values<bool>()[0]);
  EXPECT_EQ(error_of([&] { less(ids, most_unsigned); }),
            "wanted an integer below 2^63; got 18446744073709551615");
  EXPECT_EQ(error_of([] { tensor({most}, Dtype::i64); }),
            "tensor: wanted integers that a double holds, up to 2^53; got 9223372036854775807 "
            "(from_values takes all)");
  EXPECT_EQ(error_of([] { maximum(Tensor(), 1); }),
            "maximum: wanted a tensor as the first argument; got an undefined one");
  EXPECT_EQ(error_of([] { where(Tensor(), 1, 2); }),
            "where: wanted a tensor as condition; got an undefined one");
}

TEST(Doors, ComparisonsAreOperatorsToo) {
  const Tensor other = tensor({4, 2, 3});
  EXPECT_TRUE(same_bits(m < other, less(m, other)));
  EXPECT_TRUE(same_bits(m <= 4, less_equal(m, 4)));
  EXPECT_TRUE(same_bits(4 > m, less(m, 4)));
  EXPECT_TRUE(same_bits(m >= other, greater_equal(m, other)));
  EXPECT_TRUE(same_bits(m == other, equal(m, other)));
  EXPECT_TRUE(same_bits(2.0 != m, not_equal(m, 2)));
  EXPECT_TRUE(same_bits(2 - m, sub(2, m)));
}

TEST(Doors, TensorOfBraces) {
  expect_values(tensor(2.5), {}, {2.5});
  expect_values(tensor({}), {0}, {});
  expect_values(tensor({7}), {1}, {7});
  expect_values(tensor({{1.0}}), {1, 1}, {1});
  expect_values(tensor({{1.0}, {2.0}}), {2, 1}, {1, 2});
  expect_values(tensor({{1.0, 2.0}}), {1, 2}, {1, 2});
  expect_values(tensor({{}, {}}), {2, 0}, {});
  expect_values(tensor({{{1}, {2}}, {{3}, {4}}}), {2, 2, 1}, {1, 2, 3, 4});
  expect_values(tensor({{{{1, 2}}}}), {1, 1, 1, 2}, {1, 2});
  expect_values(tensor({{{{{3}}}}}), {1, 1, 1, 1, 1}, {3});
  expect_values(tensor({{{{{{4, 5}, {6, 7}}}}}}), {1, 1, 1, 1, 2, 2}, {4, 5, 6, 7});
  const int i = 3;
  const float f = 0.5F;
  expect_values(tensor({i, f, 2}), {3}, {3, 0.5, 2});
  EXPECT_EQ(tensor({1, 0}, Dtype::b8).dtype(), Dtype::b8);
  EXPECT_EQ(error_of([] {
              tensor({{1, 2}, {3}});
            }),
            "tensor: wanted parts of one shape side by side; got [2] and [1]");
  EXPECT_EQ(error_of([] {
              tensor({{1, 2}, 3});
            }),
            "tensor: wanted parts of one shape side by side; got [2] and []");
  EXPECT_EQ(error_of([] {
              tensor({1, 0.5}, Dtype::i64);
            }),
            "tensor: wanted a whole number for i64; got 0.5");
}

TEST(Doors, FromValuesTakesShorterIntegersToo) {
  const Tensor ids = from_values(std::vector<int>{1, -2});
  EXPECT_EQ(ids.dtype(), Dtype::i64);
  EXPECT_EQ(ids.values<int64_t>(), (std::vector<int64_t>{1, -2}));
  EXPECT_EQ(from_values(std::vector<uint8_t>{255, 3}, {2, 1}).values<int64_t>(),
            (std::vector<int64_t>{255, 3}));
}

TEST(Doors, ArangeFromToInSteps) {
  const auto list = [](const Tensor& x) { return x.values<int64_t>(); };
  EXPECT_EQ(list(arange(2, 5)), (std::vector<int64_t>{2, 3, 4}));
  EXPECT_EQ(list(arange(2, 7, 2)), (std::vector<int64_t>{2, 4, 6}));
  EXPECT_EQ(list(arange(5, 0, -2)), (std::vector<int64_t>{5, 3, 1}));
  EXPECT_EQ(list(arange(3, 3)), std::vector<int64_t>{});
  EXPECT_EQ(arange(0, 3, 1, Dtype::f64).values<double>(), (std::vector<double>{0, 1, 2}));
  constexpr int64_t most = std::numeric_limits<int64_t>::max(), least = -most - 1;
  EXPECT_EQ(list(arange(most - 1, most)), std::vector<int64_t>{most - 1});
  EXPECT_EQ(list(arange(least, most, most)), (std::vector<int64_t>{least, -1, most - 1}));
  EXPECT_EQ(list(arange(most, least, least)), (std::vector<int64_t>{most, -1}));
  EXPECT_EQ(error_of([] { arange(5, 0); }), "arange: wanted a step that leads from 5 to 0; got 1");
  EXPECT_EQ(error_of([] { arange(0, 5, 0); }),
            "arange: wanted a step that leads from 0 to 5; got 0");
}

TEST(Doors, LinspaceMeetsBothEnds) {
  expect_values(linspace(0, 1, 5), {5}, {0, 0.25, 0.5, 0.75, 1});
  expect_values(linspace(3, -1, 3), {3}, {3, 1, -1});
  expect_values(linspace(2, 9, 1), {1}, {2});
  expect_values(linspace(2, 9, 0), {0}, {});
  for (const int64_t n : {7, 100, 12345}) {
    const std::vector<double> x = linspace(0.1, 0.3, n, Dtype::f64).values<double>();
    EXPECT_EQ(x.front(), 0.1);
    EXPECT_EQ(x.back(), 0.3);
    for (size_t i = 1; i < x.size(); ++i) EXPECT_LT(x[i - 1], x[i]);
  }
  EXPECT_EQ(error_of([] { linspace(0, 1, -1); }), "linspace: wanted n of at least 0; got -1");
  EXPECT_EQ(error_of([] { linspace(0, 1, 3, Dtype::i64); }),
            "linspace: wanted f32 or f64; got i64");
}

TEST(Doors, AnIndexSelectsAlongTheFirstAxis) {
  expect_values(m[1], {3}, {4, 5, 9});
  expect_values(m[-1][0], {}, {4});
  const size_t last = 1;
  expect_values(m[last], {3}, {4, 5, 9});
  Tensor x = m.clone().set_requires_grad();
  sum(x[1] * 2).backward();
  expect_values(x.grad(), {2, 3}, {0, 0, 0, 2, 2, 2});
  EXPECT_EQ(error_of([] { m[2]; }),
            "select: wanted an index in [-2, 2) along axis 0 of x [2, 3]; got 2");
}

// What an int64_t does not hold would be another, negative number.
TEST(Doors, AnIndexBeyondInt64IsAnError) {
  EXPECT_EQ(error_of([] { slice(m, 0, 0, std::string::npos); }),
            "wanted an integer below 2^63; got 18446744073709551615");
}

TEST(Doors, SplitsIntoAnyNumberOfPieces) {
  const Tensors pieces = split(zeros({2, 96}), std::vector<int64_t>(12, 8), 1);
  EXPECT_EQ(pieces.size(), 12u);
  EXPECT_EQ(pieces[11].shape(), (Shape{2, 8}));
}

TEST(Doors, TensorsShapesAndDtypesArePrinted) {
  std::ostringstream out;
  out << tensor({{1, 2.5}}) << " of " << Shape{1, 2} << ' ' << Dtype::f32;
  EXPECT_EQ(out.str(), "f32[1, 2] {{1, 2.5}} of [1, 2] f32");
}

}  // namespace
}  // namespace rapt
