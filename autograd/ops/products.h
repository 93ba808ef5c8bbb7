#pragma once

#include <string_view>

#include "rapt/autograd/ops/activation.h"

/// Products of vectors, matrices and more.
namespace rapt {

/// [n] x [m] -> [n, m]: a[i] b[j]; i64 too.
Tensor outer(const Tensor& a, const Tensor& b);
/// [..., m, k] x [..., k, n] -> [..., m, n]; leading axes broadcast. A vector is a row on the left,
/// a column on the right, and its axis vanishes again. i64 too.
Tensor matmul(const Tensor& a, const Tensor& b);
/// x W^T + bias.   x [..., in], weight [out, in], bias [out] or undefined -> [..., out]
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});
/// linear(x, weights[i], biases[i]) for each i: the maps of one x (queries, keys and values, say),
/// worked on together. `biases` may be empty, and some of them undefined.
Tensors linear_each(const Tensor& x, TensorList weights, TensorList biases = Tensors());
/// linear(gelu(x, form), weight, bias), which keeps x alone for its gradient: gelu(x), the largest
/// thing a feed-forward layer makes, is computed again.
Tensor gelu_linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                   Gelu form = Gelu::erf);
/// Einstein summation, e.g. einsum("bqhd,bkhd->bhqk", {q, k}). Labels are letters; a label repeated
/// within an operand takes its diagonal; "..." stands for any axes, which broadcast, and are summed
/// when an explicit output leaves them out; length 1 stretches under a label too; without "->" the
/// output has the labels seen once, in alphabetical order, behind the ellipsis; spaces are ignored.
/// As torch.einsum. Operands are contracted in pairs, in the cheapest order, each as a batched
/// product; the result may be a permuted view. Throws naming the label and its two lengths when
/// they disagree. i64 too.
Tensor einsum(std::string_view equation, TensorList operands);

}  // namespace rapt
