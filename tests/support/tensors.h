#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "inputs.h"

namespace rapt::tests {

/// The text of the error that f throws; empty when it throws none.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// Same dtype, shape, and elements to the bit (so NaN equals itself, and 0 differs from -0).
inline ::testing::AssertionResult same_bits(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) {
    return ::testing::AssertionFailure()
           << text(a.dtype(), a.shape(), " and ", b.dtype(), b.shape());
  }
  const NoGrad no_grad;
  const Tensor x = a.contiguous(), y = b.contiguous();
  return visit_any(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const size_t bytes = static_cast<size_t>(x.numel()) * sizeof(T);
    if (bytes == 0 || std::memcmp(x.data<T>(), y.data<T>(), bytes) == 0) {
      return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure() << a.str() << "\nand\n" << b.str();
  });
}

/// Same dtype and shape, and elements within tolerance * (1 + |b|); inf and NaN must agree.
inline ::testing::AssertionResult close(const Tensor& a, const Tensor& b, double tolerance) {
  if (!a.defined() || !b.defined()) return ::testing::AssertionFailure() << "undefined";
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) {
    return ::testing::AssertionFailure()
           << text(a.dtype(), a.shape(), " and ", b.dtype(), b.shape());
  }
  const NoGrad no_grad;
  const std::vector<double> x = a.to(Dtype::f64).values<double>();
  const std::vector<double> y = b.to(Dtype::f64).values<double>();
  for (size_t i = 0; i < x.size(); ++i) {
    const bool same = x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i]));
    if (same || std::abs(x[i] - y[i]) <= tolerance * (1 + std::abs(y[i]))) continue;
    return ::testing::AssertionFailure()
           << "at " << i << " of " << a.shape().str() << ": " << x[i] << " and " << y[i];
  }
  return ::testing::AssertionSuccess();
}

/// 1e-5 for f32, 1e-12 for f64: what two ways to one value may differ by.
inline double tolerance(Dtype dtype) { return dtype == Dtype::f32 ? 1e-5 : 1e-12; }

/// A strided view of the same values: every other element of a larger tensor, along each axis,
/// transposed. The gradient flows through.
inline Tensor strided(const Tensor& x) {
  if (x.rank() == 0) return select(stack({x, x}), 0, 1);
  Tensor wide = x;
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    Shape shape = wide.shape();
    shape.insert(axis + 1, 2);
    Tensor doubled = expand(unsqueeze(wide, axis + 1), shape);
    shape.erase(axis + 1);
    shape[axis] *= 2;
    wide = reshape(doubled, shape).clone();
  }
  if (x.rank() >= 2) wide = transpose(transpose(wide).contiguous());
  for (int64_t axis = 0; axis < x.rank(); ++axis) {
    wide = slice(wide, axis, 0, wide.size(axis), 2);
  }
  return wide;
}

/// While one lives, rapt uses that many threads.
class WithThreads {
 public:
  explicit WithThreads(int count) : before_(num_threads()) { set_num_threads(count); }
  ~WithThreads() { set_num_threads(before_); }
  WithThreads(const WithThreads&) = delete;
  WithThreads& operator=(const WithThreads&) = delete;

 private:
  int before_;
};

}  // namespace rapt::tests
