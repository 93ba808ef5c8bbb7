#pragma once

#include "rapt/autograd/tensor.h"

/// Diagonals and triangles of matrices. Any dtype.
namespace rapt {

/// View of the elements whose indices along both axes agree; the diagonal is the last axis.
Tensor diagonal(const Tensor& x, Int a = -2, Int b = -1);
/// The adjoint of diagonal: x's last axis, of n elements, on the diagonal of two axes a and b of
/// the result, both of length n; 0 elsewhere.
Tensor diag_embed(const Tensor& x, Int a = -2, Int b = -1);
/// The sum of the diagonal of the last two axes.   [..., n, m] -> [...]; not of b8
Tensor trace(const Tensor& x);
/// The lower triangle of the last two axes, 0 elsewhere; diagonal > 0 keeps more.
Tensor tril(const Tensor& x, Int diagonal = 0);
/// The upper triangle of the last two axes, 0 elsewhere; diagonal > 0 keeps less.
Tensor triu(const Tensor& x, Int diagonal = 0);

}  // namespace rapt
