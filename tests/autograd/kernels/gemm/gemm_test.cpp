#include "rapt/autograd/kernels/gemm/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "../../../support/tensors.h"
#include "rapt/autograd/kernels/gemm/blas.h"

namespace rapt::kernels {
namespace {

/// Rows x columns numbers, stored by rows or by columns, with `gap` unused numbers behind each.
template <class T>
struct Stored {
  std::vector<T> memory;
  Matrix<const T> view;
};

template <class T>
Stored<T> store(int64_t rows, int64_t columns, bool by_rows, int64_t gap, Rng& rng,
                double deviation = 1) {
  const int64_t inner = by_rows ? columns : rows, outer = by_rows ? rows : columns;
  Stored<T> out;
  out.memory =
      rng.normal({outer * (inner + gap)}, 0, deviation, dtype_of<T>()).template values<T>();
  const int64_t leading = inner + gap;
  out.view = {out.memory.data(), by_rows ? leading : 1, by_rows ? 1 : leading};
  return out;
}

template <class T>
T at(const Matrix<const T>& m, int64_t i, int64_t j) {
  return m.data[i * m.row_stride + j * m.column_stride];
}

template <class T>
class Gemm : public ::testing::Test {};
using Floats = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Gemm, Floats);

struct Sizes {
  int64_t m, n, k;
};

/// Both ways to a product.
template <class T>
using Way = void (*)(const Product<T>&);

template <class T>
void plain_gemm(const Product<T>& p) {
  gemm<T>(p);
}

/// c = 0.5 a b + what c holds or nothing, with c [m, n + gap] full of 2 before: behind each row
/// nothing is touched.
template <class T>
void expect_product(Way<T> run, Sizes s, bool a_rows, bool b_rows, int64_t gap, bool add,
                    Rng& rng) {
  const Stored<T> a = store<T>(s.m, s.k, a_rows, gap, rng);
  // The sums are then of the order of 1, and so is what their error is measured by.
  const double deviation = 1 / std::sqrt(std::max<double>(1, static_cast<double>(s.k)));
  const Stored<T> b = store<T>(s.k, s.n, b_rows, gap, rng, deviation);
  const int64_t leading = s.n + gap;
  std::vector<T> c(static_cast<size_t>(s.m * leading), T(2)), wanted = c;
  run({s.m, s.n, s.k, a.view, b.view, {c.data(), leading, 1}, T(0.5), add});
  for (int64_t i = 0; i < s.m; ++i) {
    for (int64_t j = 0; j < s.n; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < s.k; ++l) {
        sum += static_cast<double>(at(a.view, i, l)) * static_cast<double>(at(b.view, l, j));
      }
      wanted[static_cast<size_t>(i * leading + j)] = static_cast<T>(0.5 * sum + (add ? 2 : 0));
    }
  }
  EXPECT_TRUE(tests::close(from_values(c), from_values(wanted), tests::tolerance(dtype_of<T>())))
      << text(s.m, " x ", s.n, " x ", s.k, ", a by rows ", a_rows, ", b by rows ", b_rows, ", gap ",
              gap, ", add ", add);
}

template <class T>
void expect_products(Way<T> run, std::initializer_list<Sizes> sizes) {
  Rng rng(1);
  const SingleThreadedBlas scope;
  for (const Sizes& s : sizes) {
    for (const bool add : {false, true}) {
      for (const bool a_rows : {true, false}) {
        for (const bool b_rows : {true, false}) {
          for (const int64_t gap : {0, 3}) expect_product<T>(run, s, a_rows, b_rows, gap, add, rng);
        }
      }
    }
  }
}

TYPED_TEST(Gemm, IsTheSumOfProductsForEveryLayout) {
  for (const Way<TypeParam> run : {&plain_gemm<TypeParam>, &blas_gemm<TypeParam>}) {
    expect_products<TypeParam>(
        run, {{1, 1, 1}, {3, 4, 5}, {1, 7, 9}, {7, 1, 9}, {7, 9, 1}, {33, 17, 40}, {4, 5, 0}});
  }
}

// Around the edges of tiles, of the blocks that stay in a cache, and of what is worth a copy.
TYPED_TEST(Gemm, HasNoEdges) {
  expect_products<TypeParam>(&plain_gemm<TypeParam>, {{8, 32, 16},
                                                      {9, 33, 17},
                                                      {7, 31, 15},
                                                      {15, 16, 33},
                                                      {64, 48, 20},
                                                      {65, 47, 20},
                                                      {66, 129, 384},
                                                      {70, 140, 385},
                                                      {3, 300, 800}});
}

// Rows a multiple of a page apart are copied before they are read.
TYPED_TEST(Gemm, ReadsRowsAPageApart) {
  using T = TypeParam;
  constexpr int64_t m = 20, n = 70, k = 30, apart = 4096 / sizeof(T);
  Rng rng(4);
  const std::vector<T> a = rng.normal({m, apart}, 0, 1, dtype_of<T>()).template values<T>();
  const Stored<T> b = store<T>(k, n, true, 0, rng);
  std::vector<T> c(m * n), wanted(m * n), dense(m * k);
  for (int64_t i = 0; i < m; ++i) {
    std::copy_n(a.begin() + i * apart, k, dense.begin() + i * k);
  }
  gemm<T>({m, n, k, {a.data(), apart, 1}, b.view, {c.data(), n, 1}});
  blas_gemm<T>({m, n, k, {dense.data(), k, 1}, b.view, {wanted.data(), n, 1}});
  EXPECT_TRUE(tests::close(from_values(c), from_values(wanted), tests::tolerance(dtype_of<T>())));
}

// Strides that no BLAS takes: gaps inside the rows, and axes that are stretched.
TEST(GemmOfF32, ReadsAnyStridesWhereItSaysSo) {
  if (!is_readable<float>(2, 2, 7, 3)) GTEST_SKIP() << "no tiles on this machine: OpenBLAS";
  const std::vector<float> a = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  float c[4];
  gemm<float>(
      {2, 2, 2, {a.data(), 7, 3}, {a.data(), 0, 2}, {c, 2, 1}});  // [[1 4] [8 11]] [[1 3]..]
  EXPECT_EQ(std::vector<float>(c, c + 4), (std::vector<float>{5, 15, 19, 57}));
}

// What was there, NaN included, has no say.
TYPED_TEST(Gemm, ForgetsWhatWasThere) {
  using T = TypeParam;
  const SingleThreadedBlas scope;
  const std::vector<T> a = {1, 2}, b = {3, 4};
  for (const Way<T> run : {&plain_gemm<T>, &blas_gemm<T>}) {
    for (const int64_t k : {2, 0}) {
      T c = static_cast<T>(std::nan(""));
      run({1, 1, k, {a.data(), k, 1}, {b.data(), 1, 1}, {&c, 1, 1}});
      EXPECT_EQ(c, k == 0 ? 0 : 11);
    }
  }
}

// NaN and inf mean what they say, also beside the padding of a tile.
TYPED_TEST(Gemm, KeepsNanAndInfinity) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity();
  const std::vector<T> a = {inf, 1, 0, static_cast<T>(std::nan(""))}, b = {1, 0, 0, 1};
  std::vector<T> c(4);
  gemm<T>({2, 2, 2, {a.data(), 2, 1}, {b.data(), 2, 1}, {c.data(), 2, 1}});
  EXPECT_EQ(c[0], inf);
  for (const int i : {1, 2, 3}) EXPECT_TRUE(std::isnan(c[static_cast<size_t>(i)])) << i;  // inf * 0
}

// Row i of the band sees columns i + lower <= j <= i + upper. What a product leaves out of it must
// be what adds nothing, or what is not wanted.
TYPED_TEST(Gemm, LeavesOutWhatABandForbids) {
  using T = TypeParam;
  using Operand = Band::Operand;
  constexpr int64_t none = Band::unbounded;
  constexpr T old = 5;
  Rng rng(6);
  for (const auto& [rows, columns, other] : {std::tuple(64, 128, 32), std::tuple(70, 45, 16),
                                             std::tuple(9, 500, 7), std::tuple(450, 130, 3)}) {
    for (const auto& [from, to] :
         {std::pair(-none, int64_t{0}), std::pair(-none, int64_t{-20}),
          std::pair(-none, int64_t{37}), std::pair(-none, int64_t{1000}),
          std::pair(-none, int64_t{-1000}), std::pair(int64_t{-9}, int64_t{0}),
          std::pair(int64_t{-40}, none), std::pair(int64_t{20}, int64_t{70}),
          std::pair(int64_t{5}, int64_t{4})}) {
      const int64_t lower = from, upper = to;
      SCOPED_TRACE(text(rows, " x ", columns, ", ", other, ", band ", lower, " to ", upper));
      const auto seen = [=](int64_t i, int64_t j) { return i + lower <= j && j <= i + upper; };
      std::vector<T> triangle = store<T>(rows, columns, true, 0, rng).memory;
      for (int64_t i = 0; i < rows * columns; ++i) {
        if (!seen(i / columns, i % columns)) triangle[static_cast<size_t>(i)] = 0;
      }
      const Matrix<const T> t{triangle.data(), columns, 1};
      const auto expect_same = [&](int64_t m, int64_t n, int64_t k, const Matrix<const T>& a,
                                   const Matrix<const T>& b, Operand operand) {
        std::vector<T> c(static_cast<size_t>(m * n), old), wanted = c;
        gemm<T>({m, n, k, a, b, {c.data(), n, 1}, T(1), true}, nullptr, {operand, lower, upper});
        const SingleThreadedBlas scope;
        blas_gemm<T>({m, n, k, a, b, {wanted.data(), n, 1}, T(1), true});
        for (int64_t i = 0; i < m * n && operand == Operand::c; ++i) {
          if (!seen(i / n, i % n)) c[static_cast<size_t>(i)] = wanted[static_cast<size_t>(i)] = 0;
        }
        EXPECT_TRUE(
            tests::close(from_values(c), from_values(wanted), 20 * tests::tolerance(dtype_of<T>())))
            << static_cast<int>(operand);
      };
      const Stored<T> q = store<T>(rows, other, true, 0, rng),
                      k = store<T>(columns, other, true, 0, rng);
      expect_same(rows, columns, other, q.view, k.view.transposed(), Operand::c);
      expect_same(rows, other, columns, t, k.view, Operand::a);
      expect_same(columns, other, rows, t.transposed(), q.view, Operand::a_transposed);
    }
  }
}

TEST(IsDense, IsWhatBlasCanRead) {
  EXPECT_TRUE(is_dense(3, 4, 4, 1));
  EXPECT_TRUE(is_dense(3, 4, 9, 1));   // rows with gaps
  EXPECT_TRUE(is_dense(3, 4, 1, 3));   // by columns
  EXPECT_FALSE(is_dense(3, 4, 8, 2));  // gaps inside a row
  EXPECT_FALSE(is_dense(3, 4, 0, 1));  // a stretched axis
  EXPECT_TRUE(is_dense(1, 4, 0, 1));
  EXPECT_TRUE(is_dense(3, 1, 1, 77));
}

// Through matmul: batches, stretched axes, pieces for several threads.
TYPED_TEST(Gemm, AgreesInBatchesAndPieces) {
  const Dtype dtype = dtype_of<TypeParam>();
  const double tolerance = tests::tolerance(dtype);
  Rng rng(2);
  for (const auto& [a_shape, b_shape] :
       {std::pair(Shape{2, 3, 4, 5}, Shape{2, 3, 5, 6}),
        std::pair(Shape{2, 1, 4, 5}, Shape{3, 5, 6}), std::pair(Shape{4, 5}, Shape{2, 3, 5, 6}),
        // Large enough to be cut: by rows, by columns, and to share one packed b.
        std::pair(Shape{800, 80}, Shape{80, 200}), std::pair(Shape{60, 100}, Shape{100, 1500}),
        std::pair(Shape{2, 3, 70, 90}, Shape{2, 3, 90, 80}),
        std::pair(Shape{300, 500}, Shape{500, 333})}) {
    SCOPED_TRACE(text(a_shape, " x ", b_shape));
    const double deviation = 1 / std::sqrt(static_cast<double>(a_shape.back()));
    const Tensor a = rng.normal(a_shape, 0, 1, dtype), b = rng.normal(b_shape, 0, deviation, dtype);
    // Each element as a sum over the stretched product of both.
    const Tensor wanted =
        sum(unsqueeze(a.to(Dtype::f64), -1) * unsqueeze(b.to(Dtype::f64), -3), -2).to(dtype);
    EXPECT_TRUE(tests::close(matmul(a, b), wanted, tolerance));
    EXPECT_TRUE(tests::close(matmul(tests::strided(a), tests::strided(b)), wanted, tolerance));
    EXPECT_TRUE(tests::close(transpose(matmul(transpose(b), transpose(a))), wanted, tolerance));
  }
}

TYPED_TEST(Gemm, AddsTheBiasToEveryRowOfEveryPiece) {
  const Dtype dtype = dtype_of<TypeParam>();
  Rng rng(3);
  for (const auto& [rows, in, out] : {std::tuple(3, 4, 5), std::tuple(800, 80, 200),
                                      std::tuple(60, 100, 1500), std::tuple(300, 500, 333)}) {
    const Tensor x = rng.normal({rows, in}, 0, 1, dtype), w = rng.normal({out, in}, 0, 1, dtype),
                 bias = rng.normal({out}, 0, 1, dtype);
    EXPECT_TRUE(
        tests::close(linear(x, w, bias), matmul(x, transpose(w)) + bias, tests::tolerance(dtype)));
  }
}

// f32: an element is added up in one order, whatever else is computed beside it.
TEST(GemmOfF32, GivesARowTheSameBitsInAnyCompany) {
  if (!is_readable<float>(2, 2, 7, 3)) GTEST_SKIP() << "no tiles on this machine: OpenBLAS";
  Rng rng(5);
  const Tensor x = rng.normal({700, 450}, 0, 1), w = rng.normal({450, 260}, 0, 1);
  const Tensor all = matmul(x, w);
  for (const auto& [from, to] : {std::pair(0, 1), std::pair(5, 50), std::pair(99, 700)}) {
    const Tensor some = matmul(slice(x, 0, from, to), slice(w, 1, 3, 200));
    EXPECT_EQ(some.values<float>(), slice(slice(all, 0, from, to), 1, 3, 200).values<float>());
  }
}

}  // namespace
}  // namespace rapt::kernels
