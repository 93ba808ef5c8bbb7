#pragma once

#include <optional>

#include "rapt/autograd/kernels/attention/attention.h"

/// The scores of additive attention (arXiv:1409.0473), of which nothing of the size
/// queries x keys x width is made.
namespace rapt::kernels {

/// s[i, j] = sum_c weight[c] tanh(q[i, c] + k[j, c]); 0 where masked[i, j].
template <class T>
struct AdditiveScores {
  Shape batch;
  int64_t queries, keys, width;
  Matrices<const T> q, k;    // columns dense
  Matrices<const T> weight;  // 1 x width, dense
  std::optional<Matrices<const bool>> masked;
};

/// s [batch, queries, keys].
template <class T>
void additive_scores(const AdditiveScores<T>& a, T* s);

/// The gradients for g, that of s. Masked pairs have no say.
///   dq [batch, queries, width], dk [batch, keys, width]
///   dweight [batch, queries, width]: of the weight, what each query gives to it
template <class T>
void additive_scores_backward(const AdditiveScores<T>& a, const T* g, T* dq, T* dk, T* dweight);

}  // namespace rapt::kernels
