#include "rapt/autograd/kernels/gemm.h"

#include <gtest/gtest.h>

#include <tuple>

#include <cmath>
#include <vector>

#include "../../support/tensors.h"

namespace rapt::kernels {
namespace {

/// Rows x columns numbers, stored by rows or by columns, with `gap` unused numbers behind each.
template <class T>
struct Stored {
  std::vector<T> memory;
  Matrix<const T> view;
};

template <class T>
Stored<T> store(int64_t rows, int64_t columns, bool by_rows, int64_t gap, Rng& rng) {
  const int64_t inner = by_rows ? columns : rows, outer = by_rows ? rows : columns;
  Stored<T> out;
  out.memory = rng.normal({outer * (inner + gap)}, 0, 1, dtype_of<T>()).template values<T>();
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

/// c = 0.5 a b + beta c, with c [m, n + gap] full of 2 before: behind each row nothing is touched.
template <class T>
void expect_product(Sizes s, bool a_rows, bool b_rows, int64_t gap, T beta, Rng& rng) {
  const Stored<T> a = store<T>(s.m, s.k, a_rows, gap, rng);
  const Stored<T> b = store<T>(s.k, s.n, b_rows, gap, rng);
  const int64_t leading = s.n + gap;
  std::vector<T> c(static_cast<size_t>(s.m * leading), T(2)), wanted = c;
  gemm<T>(s.m, s.n, s.k, T(0.5), a.view, b.view, beta, {c.data(), leading, 1});
  for (int64_t i = 0; i < s.m; ++i) {
    for (int64_t j = 0; j < s.n; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < s.k; ++l) {
        sum += static_cast<double>(at(a.view, i, l)) * static_cast<double>(at(b.view, l, j));
      }
      wanted[static_cast<size_t>(i * leading + j)] = static_cast<T>(0.5 * sum) + beta * T(2);
    }
  }
  EXPECT_TRUE(tests::close(from_values(c), from_values(wanted), tests::tolerance(dtype_of<T>())))
      << text(s.m, " x ", s.n, " x ", s.k, ", a by rows ", a_rows, ", b by rows ", b_rows, ", gap ",
              gap, ", beta ", static_cast<double>(beta));
}

TYPED_TEST(Gemm, IsTheSumOfProductsForEveryLayout) {
  using T = TypeParam;
  Rng rng(1);
  const SingleThreadedBlas scope;
  for (const Sizes& s : {Sizes{1, 1, 1}, Sizes{3, 4, 5}, Sizes{1, 7, 9}, Sizes{7, 1, 9},
                         Sizes{7, 9, 1}, Sizes{33, 17, 40}, Sizes{4, 5, 0}}) {
    for (const T beta : {T(0), T(1), T(0.5)}) {
      for (const bool a_rows : {true, false}) {
        for (const bool b_rows : {true, false}) {
          for (const int64_t gap : {0, 3}) expect_product<T>(s, a_rows, b_rows, gap, beta, rng);
        }
      }
    }
  }
}

// beta 0 overwrites: what was there, NaN included, has no say.
TYPED_TEST(Gemm, BetaZeroForgetsWhatWasThere) {
  using T = TypeParam;
  const SingleThreadedBlas scope;
  const std::vector<T> a = {1, 2}, b = {3, 4};
  for (const int64_t k : {2, 0}) {
    T c = static_cast<T>(std::nan(""));
    gemm<T>(1, 1, k, T(1), {a.data(), k, 1}, {b.data(), 1, 1}, T(0), {&c, 1, 1});
    EXPECT_EQ(c, k == 0 ? 0 : 11);
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
TEST(BatchedGemm, AgreesWithSingleProducts) {
  Rng rng(2);
  for (const auto& [a_shape, b_shape] :
       {std::pair(Shape{2, 3, 4, 5}, Shape{2, 3, 5, 6}),
        std::pair(Shape{2, 1, 4, 5}, Shape{3, 5, 6}), std::pair(Shape{4, 5}, Shape{2, 3, 5, 6}),
        // Large enough to be cut: by rows, and by columns.
        std::pair(Shape{800, 80}, Shape{80, 200}), std::pair(Shape{60, 100}, Shape{100, 1500}),
        std::pair(Shape{2, 3, 70, 90}, Shape{2, 3, 90, 80})}) {
    SCOPED_TRACE(text(a_shape, " x ", b_shape));
    const Tensor a = rng.normal(a_shape, 0, 1, Dtype::f64),
                 b = rng.normal(b_shape, 0, 1, Dtype::f64);
    // Each element as a sum over the stretched product of both.
    const Tensor wanted = sum(unsqueeze(a, -1) * unsqueeze(b, -3), -2);
    EXPECT_TRUE(tests::close(matmul(a, b), wanted, 1e-12));
    EXPECT_TRUE(tests::close(matmul(tests::strided(a), tests::strided(b)), wanted, 1e-12));
    EXPECT_TRUE(tests::close(transpose(matmul(transpose(b), transpose(a))), wanted, 1e-12));
  }
}

TEST(BatchedGemm, AddsTheBiasToEveryRowOfEveryPiece) {
  Rng rng(3);
  for (const auto& [rows, in, out] :
       {std::tuple(3, 4, 5), std::tuple(800, 80, 200), std::tuple(60, 100, 1500)}) {
    const Tensor x = rng.normal({rows, in}, 0, 1, Dtype::f64),
                 w = rng.normal({out, in}, 0, 1, Dtype::f64),
                 bias = rng.normal({out}, 0, 1, Dtype::f64);
    EXPECT_TRUE(tests::close(linear(x, w, bias), matmul(x, transpose(w)) + bias, 1e-12));
  }
}

}  // namespace
}  // namespace rapt::kernels
