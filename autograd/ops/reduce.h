#pragma once

#include "rapt/autograd/tensor.h"

/// Reductions over `axes`, which vanish, or stay with length 1 (keepdim); without the argument over
/// all axes, with a list of none over none. NaN in, NaN out.
namespace rapt {

struct ReduceOptions {
  bool keepdim = false;  ///< the axes stay, with length 1
};
struct VarOptions {
  double correction = 1;  ///< 1 gives the unbiased estimate, 0 the population's variance
  bool keepdim = false;
};

/// i64 too.
Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, const Axes& axes, ReduceOptions options = {});
/// NaN over an empty axis.
Tensor mean(const Tensor& x);
Tensor mean(const Tensor& x, const Axes& axes, ReduceOptions options = {});
/// Ties share the gradient equally. Throws over an empty axis.
Tensor max(const Tensor& x);
Tensor max(const Tensor& x, const Axes& axes, ReduceOptions options = {});
Tensor min(const Tensor& x);
Tensor min(const Tensor& x, const Axes& axes, ReduceOptions options = {});
/// Sum of squared deviations over (count - correction).
Tensor var(const Tensor& x);
Tensor var(const Tensor& x, const Axes& axes, VarOptions options = {});
/// log(sum(exp(x))), without overflow; -inf over nothing but -inf, with gradient 0.
Tensor logsumexp(const Tensor& x);
Tensor logsumexp(const Tensor& x, const Axes& axes, ReduceOptions options = {});
/// i64: the index of the largest element, the first of equals, or of the first NaN. No gradient.
/// Throws over an empty axis.
Tensor argmax(const Tensor& x, Int axis, ReduceOptions options = {});
struct ValuesAndIndices {
  Tensor values;   ///< differentiable
  Tensor indices;  ///< i64, constant
};
/// The largest element along an axis, and argmax's index of it: i64 too. All of the gradient goes
/// to that element, where max shares it among equals. Throws over an empty axis.
ValuesAndIndices max_with_indices(const Tensor& x, Int axis, ReduceOptions options = {});

}  // namespace rapt
