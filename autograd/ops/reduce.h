#pragma once

#include "rapt/autograd/tensor.h"

/// Reductions over `axes`, which vanish, or stay with length 1 (keepdim); without the argument over
/// all axes, with a list of none over none. NaN in, NaN out.
namespace rapt {

struct ReduceOptions {
  bool keepdim = false;  ///< the axes stay, with length 1
};

// ---- sums and extremes -------------------------------------------------------------------------

/// i64 too.
Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, const Axes& axes, ReduceOptions options = {});
/// NaN over an empty axis.
Tensor mean(const Tensor& x);
Tensor mean(const Tensor& x, const Axes& axes, ReduceOptions options = {});
/// i64 too. Zeros are no exception to the gradient.
Tensor prod(const Tensor& x);
Tensor prod(const Tensor& x, const Axes& axes, ReduceOptions options = {});
/// i64 too. Ties share the gradient equally. Throws over an empty axis.
Tensor max(const Tensor& x);
Tensor max(const Tensor& x, const Axes& axes, ReduceOptions options = {});
Tensor min(const Tensor& x);
Tensor min(const Tensor& x, const Axes& axes, ReduceOptions options = {});
/// log(sum(exp(x))), without overflow; -inf over nothing but -inf, with gradient 0.
Tensor logsumexp(const Tensor& x);
Tensor logsumexp(const Tensor& x, const Axes& axes, ReduceOptions options = {});

// ---- moments and norms -------------------------------------------------------------------------

struct VarOptions {
  double correction = 1;  ///< 1 gives the unbiased estimate, 0 the population's variance
  bool keepdim = false;
};
/// Sum of squared deviations over (count - correction).
Tensor var(const Tensor& x);
Tensor var(const Tensor& x, const Axes& axes, VarOptions options = {});
/// sqrt(var), with gradient 0 where that is 0. (torch.std: in C++, std is a namespace.)
Tensor stddev(const Tensor& x);
Tensor stddev(const Tensor& x, const Axes& axes, VarOptions options = {});

struct NormOptions {
  double p = 2;
  bool keepdim = false;
};
/// The p-norm of vectors, sum(|x|^p)^(1/p); for p = inf and -inf the largest and the smallest |x|,
/// for p = 0 the count of those that are not 0. No power overflows on the way. The gradient is 0
/// where the norm is 0. Throws over an empty axis for p < 0 and p = inf.
Tensor norm(const Tensor& x);
Tensor norm(const Tensor& x, const Axes& axes, NormOptions options = {});

// ---- where the extremes are: i64, no gradient. Throws over an empty axis ------------------------

/// The index of the largest (smallest) element, the first of equals, or of the first NaN. Without
/// an axis, in row-major order.
Tensor argmax(const Tensor& x);
Tensor argmax(const Tensor& x, Int axis, ReduceOptions options = {});
Tensor argmin(const Tensor& x);
Tensor argmin(const Tensor& x, Int axis, ReduceOptions options = {});
struct ValuesAndIndices {
  Tensor values;   ///< differentiable
  Tensor indices;  ///< i64, constant
};
/// The largest (smallest) element along an axis, and argmax's index of it: i64 too. All of the
/// gradient goes to that element, where max shares it among equals.
ValuesAndIndices max_with_indices(const Tensor& x, Int axis, ReduceOptions options = {});
ValuesAndIndices min_with_indices(const Tensor& x, Int axis, ReduceOptions options = {});

// ---- truth values ------------------------------------------------------------------------------

/// Of b8: whether one of them is true; whether all are, as those of nothing are.
Tensor any(const Tensor& x);
Tensor any(const Tensor& x, const Axes& axes, ReduceOptions options = {});
Tensor all(const Tensor& x);
Tensor all(const Tensor& x, const Axes& axes, ReduceOptions options = {});
/// How many elements are true, or other than 0 (NaN is): i64.
Tensor count_nonzero(const Tensor& x);
Tensor count_nonzero(const Tensor& x, const Axes& axes, ReduceOptions options = {});

}  // namespace rapt
