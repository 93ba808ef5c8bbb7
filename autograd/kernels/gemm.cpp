#include "rapt/autograd/kernels/gemm.h"

#include <cblas.h>

#include <algorithm>
#include <limits>
#include <mutex>

#include "rapt/autograd/error.h"
#include "rapt/autograd/kernels/parallel.h"

// Present when OpenBLAS was built with OpenMP, whose thread count belongs to the calling thread.
extern "C" __attribute__((weak)) void omp_set_num_threads(int);
extern "C" __attribute__((weak)) int omp_get_max_threads();

namespace rapt::kernels {
namespace {

enum class BlasThreads { none, pthread, openmp };

BlasThreads blas_threads() {
  static const BlasThreads kind = [] {
    switch (openblas_get_parallel()) {
      case 1:
        return BlasThreads::pthread;
      case 2:
        return omp_set_num_threads != nullptr ? BlasThreads::openmp : BlasThreads::none;
      default:
        return BlasThreads::none;
    }
  }();
  return kind;
}

// The pthread build has one setting for the whole process: the first scope turns its threads off,
// the last one restores what it found.
std::mutex scopes_mutex;
int scopes = 0;
int threads_before_scopes = 0;

}  // namespace

SingleThreadedBlas::SingleThreadedBlas() {
  switch (blas_threads()) {
    case BlasThreads::none:
      break;
    case BlasThreads::openmp:
      before_ = omp_get_max_threads();
      if (before_ != 1) omp_set_num_threads(1);
      break;
    case BlasThreads::pthread: {
      const std::lock_guard lock(scopes_mutex);
      if (scopes++ == 0) {
        threads_before_scopes = openblas_get_num_threads();
        if (threads_before_scopes != 1) openblas_set_num_threads(1);
      }
      break;
    }
  }
}

SingleThreadedBlas::~SingleThreadedBlas() {
  switch (blas_threads()) {
    case BlasThreads::none:
      break;
    case BlasThreads::openmp:
      if (before_ != 1) omp_set_num_threads(before_);
      break;
    case BlasThreads::pthread: {
      const std::lock_guard lock(scopes_mutex);
      if (--scopes == 0 && threads_before_scopes != 1) {
        openblas_set_num_threads(threads_before_scopes);
      }
      break;
    }
  }
}

void keep_blas_to_this_thread() {
  if (blas_threads() == BlasThreads::openmp) omp_set_num_threads(1);
}

bool is_dense(int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride) {
  const bool by_rows = (column_stride == 1 || columns <= 1) && (row_stride >= columns || rows <= 1);
  const bool by_columns = (row_stride == 1 || rows <= 1) && (column_stride >= rows || columns <= 1);
  return by_rows || by_columns;
}

template <class T>
void gemm(int64_t m, int64_t n, int64_t k, T alpha, Matrix<const T> a, Matrix<const T> b, T beta,
          Matrix<T> c) {
  if (m == 0 || n == 0) return;
  struct Operand {
    CBLAS_TRANSPOSE transpose;
    blasint leading;
  };
  const auto operand = [](const Matrix<const T>& x, int64_t rows, int64_t columns) -> Operand {
    const bool by_rows =
        (x.column_stride == 1 || columns <= 1) && (x.row_stride >= columns || rows <= 1);
    if (by_rows) return {CblasNoTrans, static_cast<blasint>(rows > 1 ? x.row_stride : columns)};
    return {CblasTrans, static_cast<blasint>(columns > 1 ? x.column_stride : rows)};
  };
  const Operand oa = operand(a, m, k);
  const Operand ob = operand(b, k, n);
  const auto call = [&](auto routine) {
    routine(CblasRowMajor, oa.transpose, ob.transpose, static_cast<blasint>(m),
            static_cast<blasint>(n), static_cast<blasint>(k), alpha, a.data,
            std::max<blasint>(oa.leading, 1), b.data, std::max<blasint>(ob.leading, 1), beta,
            c.data, static_cast<blasint>(std::max(c.row_stride, n)));
  };
  if constexpr (std::is_same_v<T, float>) {
    call(cblas_sgemm);
  } else {
    call(cblas_dgemm);
  }
}

namespace {

constexpr int64_t alignment = 32;  // rows or columns of a piece
constexpr double flops_per_piece =
    8e6;  // some 100 microseconds: worth a thread, and packing is small
constexpr int64_t largest = std::numeric_limits<blasint>::max();

/// How one product is cut: into pieces of `rows` x `columns`.
struct Cut {
  int64_t rows, columns;
};

Cut cut(int64_t m, int64_t n, int64_t k) {
  const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) *
                       static_cast<double>(std::max<int64_t>(k, 1));
  const int64_t pieces = static_cast<int64_t>(std::clamp(flops / flops_per_piece, 1.0, 64.0));
  const auto length = [pieces](int64_t whole) {
    const int64_t part = (whole + pieces - 1) / pieces;
    return std::min(whole, (part + alignment - 1) / alignment * alignment);
  };
  if (m >= n) return {length(m), n};
  return {m, length(n)};
}

int64_t batch_offset(const Shape& batch, const Strides& strides, int64_t index) {
  int64_t offset = 0;
  for (int64_t axis = batch.rank() - 1; axis >= 0; --axis) {
    offset += index % batch[axis] * strides[axis];
    index /= batch[axis];
  }
  return offset;
}

}  // namespace

template <class T>
void gemm(const BatchedGemm<T>& p) {
  const int64_t products = p.batch.numel();
  if (products == 0 || p.m == 0 || p.n == 0) return;
  if (std::max({p.m, p.n, p.k}) > largest) {
    fail("matmul: wanted lengths below 2^31; got ", p.m, " x ", p.k, " x ", p.n);
  }
  const Cut piece = cut(p.m, p.n, p.k);
  const int64_t down = (p.m + piece.rows - 1) / piece.rows;
  const int64_t across = (p.n + piece.columns - 1) / piece.columns;
  const int64_t per_product = down * across;
  const double flops = 2.0 * static_cast<double>(piece.rows) * static_cast<double>(piece.columns) *
                       static_cast<double>(std::max<int64_t>(p.k, 1));
  const int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(flops_per_piece / flops / 16));
  const SingleThreadedBlas scope;
  parallel_for(products * per_product, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t product = i / per_product;
      const int64_t row = i % per_product / across * piece.rows;
      const int64_t column = i % across * piece.columns;
      Matrix<const T> a = p.a, b = p.b;
      Matrix<T> c = p.c;
      a.data += batch_offset(p.batch, p.a_batch, product) + row * a.row_stride;
      b.data += batch_offset(p.batch, p.b_batch, product) + column * b.column_stride;
      c.data += product * p.c_batch + row * c.row_stride + column;
      const int64_t rows = std::min(piece.rows, p.m - row);
      const int64_t columns = std::min(piece.columns, p.n - column);
      if (p.bias != nullptr) {
        for (int64_t r = 0; r < rows; ++r) {
          std::copy_n(p.bias + column, columns, c.data + r * c.row_stride);
        }
      }
      gemm<T>(rows, columns, p.k, T(1), a, b, p.bias != nullptr ? T(1) : T(0), c);
    }
  });
}

template void gemm(int64_t, int64_t, int64_t, float, Matrix<const float>, Matrix<const float>,
                   float, Matrix<float>);
template void gemm(int64_t, int64_t, int64_t, double, Matrix<const double>, Matrix<const double>,
                   double, Matrix<double>);
template void gemm(const BatchedGemm<float>&);
template void gemm(const BatchedGemm<double>&);

}  // namespace rapt::kernels
