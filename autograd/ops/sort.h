#pragma once

#include "rapt/autograd/ops/reduce.h"

/// Order along an axis; i64 too. NaN is larger than any number, -0 equals 0, and equals are in the
/// order of their places, whichever end comes first. Indices are i64 and have no gradient.
namespace rapt {

struct SortOptions {
  bool descending = false;
};
ValuesAndIndices sort(const Tensor& x, Int axis = -1, SortOptions options = {});
/// The indices of sort.
Tensor argsort(const Tensor& x, Int axis = -1, SortOptions options = {});

struct TopkOptions {
  bool largest = true;  ///< else the k smallest
};
/// The k largest elements along an axis, in descending order: the first k of sort.
ValuesAndIndices topk(const Tensor& x, Int k, Int axis = -1, TopkOptions options = {});

/// The middle element, of an even count the lower of the two; the first NaN if there is one. Of
/// equals, the first gets the gradient. Throws over an empty axis.
Tensor median(const Tensor& x);
ValuesAndIndices median(const Tensor& x, Int axis, ReduceOptions options = {});

struct Unique {
  Tensor values;   ///< [n], ascending, each once; NaN as often as it is there
  Tensor inverse;  ///< i64 of x's shape: which of the values is there
  Tensor counts;   ///< i64 [n]: how often each is there
};
/// The different elements of x, without a gradient.
Unique unique(const Tensor& x);

}  // namespace rapt
