#include "rapt/autograd/kernels/gemm/blas.h"

#include <cblas.h>

#include <algorithm>
#include <mutex>
#include <type_traits>

#include "rapt/autograd/kernels/runtime/fork.h"

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
bool scopes_lost = false;  // by a fork, in the child: OpenBLAS is still as they had it

}  // namespace

void fork_blas(ForkPhase phase) {
  if (phase == ForkPhase::before) return scopes_mutex.lock();
  if (phase == ForkPhase::in_child && scopes > 0) {
    scopes = 0;
    scopes_lost = true;
  }
  scopes_mutex.unlock();
}

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
        if (!scopes_lost) threads_before_scopes = openblas_get_num_threads();
        scopes_lost = false;
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
void blas_gemm(const Product<T>& p) {
  if (p.m == 0 || p.n == 0) return;
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
  const Operand a = operand(p.a, p.m, p.k);
  const Operand b = operand(p.b, p.k, p.n);
  if (p.bias != nullptr) {
    for (int64_t i = 0; i < p.m; ++i) std::copy_n(p.bias, p.n, p.c.data + i * p.c.row_stride);
  }
  const auto call = [&](auto routine) {
    routine(CblasRowMajor, a.transpose, b.transpose, static_cast<blasint>(p.m),
            static_cast<blasint>(p.n), static_cast<blasint>(p.k), p.alpha, p.a.data,
            std::max<blasint>(a.leading, 1), p.b.data, std::max<blasint>(b.leading, 1),
            p.add || p.bias != nullptr ? T(1) : T(0), p.c.data,
            static_cast<blasint>(std::max(p.c.row_stride, p.n)));
  };
  if constexpr (std::is_same_v<T, float>) {
    call(cblas_sgemm);
  } else {
    call(cblas_dgemm);
  }
}

template void blas_gemm(const Product<float>&);
template void blas_gemm(const Product<double>&);

}  // namespace rapt::kernels
