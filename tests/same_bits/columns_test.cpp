// Softmax and its kin have the same bits along any axis of any layout: what is summed is summed in
// one order, in a row of memory or across rows.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "../support/tensors.h"
#include "rapt/autograd/ops.h"

namespace rapt {
namespace {

using tests::same_bits;

/// With one NaN for all: which of two a sum keeps, and its sign, is nobody's promise.
Tensor with_one_nan(const Tensor& x) { return masked_fill(x.detach(), not_equal(x, x), NAN); }

/// The value and the gradient of f at x.
Tensors value_and_gradient(const std::function<Tensor(const Tensor&)>& f, const Tensor& x) {
  Tensor leaf = x.detach();
  leaf.set_requires_grad();
  const Tensor y = f(leaf);
  const Tensor cotangent = cos(arange(y.numel(), x.dtype()));
  const Tensors dx = grad({y}, {leaf}, {.cotangents = {reshape(cotangent, y.shape())}});
  return {with_one_nan(y), with_one_nan(dx[0])};
}

/// Random numbers, with NaN, inf and -inf here and there, and a row and a column of -inf.
Tensor awkward(const Shape& shape, uint64_t seed) {
  Tensor x = Rng(seed).normal(shape, 0, 3);
  float* values = x.mutable_data<float>();
  const int64_t n = x.numel(), inner = shape.back();
  for (int64_t i = 0; i < n; ++i) {
    if (i % 911 == 5) values[i] = NAN;
    if (i % 701 == 3) values[i] = INFINITY;
    if (i % 13 == 2 || i % inner == 1 || i / inner == 1) values[i] = -INFINITY;
  }
  return x;
}

void expect_same_along_any_axis(const char* name, Tensor (*f)(const Tensor&, Int)) {
  for (const int64_t n : {1, 2, 15, 16, 17, 40, 130}) {
    for (const int64_t inner : {1, 2, 16, 31, 300}) {
      const Tensor x = awkward({3, n, inner}, static_cast<uint64_t>(n * 1000 + inner));
      const auto along_1 = [f](const Tensor& u) { return f(u, 1); };
      const Tensors columns = value_and_gradient(along_1, x);
      // The same numbers in rows: shown alike, but with axis 1 dense.
      const Tensor rows = transpose(transpose(x, 1, 2).contiguous(), 1, 2);
      const Tensors in_rows = value_and_gradient(along_1, rows);
      EXPECT_TRUE(same_bits(columns[0], in_rows[0])) << name << ", " << n << " x " << inner;
      EXPECT_TRUE(same_bits(columns[1], in_rows[1])) << name << ", " << n << " x " << inner;
    }
  }
}

TEST(SameBits, SoftmaxAlongAnyAxis) {
  expect_same_along_any_axis("softmax", softmax);
  expect_same_along_any_axis("log_softmax", log_softmax);
  expect_same_along_any_axis("logsumexp",
                             [](const Tensor& x, Int axis) { return logsumexp(x, {axis}); });
}

}  // namespace
}  // namespace rapt
