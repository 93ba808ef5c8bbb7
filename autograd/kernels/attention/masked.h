#pragma once

#include <cmath>

#include "rapt/autograd/kernels/attention/head.h"
#include "rapt/autograd/kernels/runtime/scratch.h"

/// What is masked has no say, also where it is not finite.
namespace rapt::kernels {

/// 0 * NaN is NaN: where a result of attention is NaN, it is computed again by
/// products that leave out the masked terms. This notes which those are, in one block of scores.
template <class T>
class MaskedScores {
 public:
  /// The block's row i is query `row`, and its keys are the `count` from `column` on.
  void note(int64_t i, const Head<T>& head, int64_t row, int64_t column, int64_t count) {
    for (int64_t j = 0; j < count; ++j) {
      masked_[i * keys_per_block + j] = head.is_masked(row, column + j);
    }
  }
  /// Zeros where the row is masked.
  void clear(int64_t i, T* line, int64_t count) const {
    for (int64_t j = 0; j < count; ++j) {
      if ((*this)(i, j)) line[j] = T(0);
    }
  }
  bool operator()(int64_t i, int64_t j) const { return masked_[i * keys_per_block + j]; }

 private:
  const Scratch<bool> masked_{queries_per_block * keys_per_block};
};

/// The product as gemm has it, term after term, without those for which masked(row of c, term).
template <class T, class Masked>
void gemm_of_seen(const Product<T>& p, const Masked& masked) {
  for (int64_t i = 0; i < p.m; ++i) {
    for (int64_t j = 0; j < p.n; ++j) {
      T sum = 0;
      for (int64_t t = 0; t < p.k; ++t) {
        if (!masked(i, t)) sum = std::fma(*p.a.at(i, t).data, *p.b.at(t, j).data, sum);
      }
      T& c = *p.c.at(i, j).data;
      c = p.add ? p.alpha * sum + c : p.alpha * sum;
    }
  }
}

template <class T>
bool has_nan(const Matrix<T>& m, int64_t rows, int64_t columns) {
  NaNSeen<T> nan;
  for (int64_t i = 0; i < rows; ++i) nan.add(m.data + i * m.row_stride, columns);
  return nan.any();
}

}  // namespace rapt::kernels
