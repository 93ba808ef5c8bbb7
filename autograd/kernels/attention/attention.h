#pragma once

#include <cstdint>

#include "rapt/autograd/kernels/gemm/matrix.h"
#include "rapt/autograd/kernels/softmax.h"
#include "rapt/autograd/philox_key.h"
#include "rapt/autograd/shape.h"

/// Attention that never holds the queries x keys weights: a block of them at a time, with a running
/// softmax (FlashAttention, arXiv:2205.14135); the backward computes the blocks again.
namespace rapt::kernels {

/// A batch of matrices: one of them, and the steps from one to the next along each batch axis.
template <class T>
struct Matrices {
  Matrix<T> first;
  Strides batch;
};

template <class T>
struct Attention {
  Shape batch;
  int64_t queries, keys, width, value_width;
  Matrices<const T> q, k, v;        // columns dense
  Matrices<const bool> may_attend;  // data null: everywhere
  Matrices<const T> added;          // data null: nothing
  bool causal;
  T scale;
  double dropout;
  PhiloxKey draws;
};

/// out = softmax(q k^T scale + mask) v, its columns dense. softmax [batch, queries] is kept for the
/// backward.
template <class T>
void attention(const Attention<T>& a, const Matrices<T>& out, Softmax<T> softmax);

/// The gradients of q, k and v for the output's gradient g.
template <class T>
void attention_backward(const Attention<T>& a, const Matrices<const T>& out,
                        const Matrices<const T>& g, Softmax<const T> softmax, const Matrices<T>& dq,
                        const Matrices<T>& dk, const Matrices<T>& dv);

/// What dropout multiplies the weights by: 0 or 1 / (1 - p). keep [batches, queries, keys].
template <class T>
void attention_dropout(int64_t batches, int64_t queries, int64_t keys, double p, PhiloxKey draws,
                       T* keep);
/// Blocks of draws that it takes.
int64_t attention_dropout_blocks(int64_t batches, int64_t queries, int64_t keys);

}  // namespace rapt::kernels
