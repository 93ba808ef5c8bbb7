#include "rapt/optim/clip.h"

#include <algorithm>
#include <cmath>

#include "rapt/autograd/kernels/parallel.h"

namespace rapt::optim {
namespace {

// Elements of one partial sum. It fixes the order of the additions, and so the bits of the norm.
constexpr int64_t grain = 16384;

/// Sum of squares. The lanes let the compiler keep several sums going at a time.
template <class T>
double square_sum(const T* values, int64_t n) {
  constexpr int64_t lanes = 8;
  double sums[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    for (int64_t k = 0; k < lanes; ++k) {
      const double v = static_cast<double>(values[i + k]);
      sums[k] += v * v;
    }
  }
  double sum = 0;
  for (; i < n; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  for (const double s : sums) sum += s;
  return sum;
}

double square_sum(const Tensor& gradient) {
  const Tensor dense = gradient.contiguous();
  const int64_t n = dense.numel();
  PoolVector<double> parts(static_cast<size_t>((n + grain - 1) / grain));
  visit_float(dense.dtype(), [&](auto zero) {
    const auto* values = dense.data<decltype(zero)>();
    kernels::parallel_for(n, grain, [&](int64_t begin, int64_t end) {
      parts[static_cast<size_t>(begin / grain)] = square_sum(values + begin, end - begin);
    });
  });
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

/// Replaces every element v of a parameter's gradient by f(v), in place where it lies dense.
template <class F>
void map_gradient(const Tensor& parameter, F&& f) {
  Tensor gradient = parameter.grad().contiguous();
  visit_float(gradient.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* values = gradient.mutable_data<T>();
    kernels::parallel_for(gradient.numel(), grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) values[i] = f(values[i]);
    });
  });
  Tensor(parameter).set_grad(gradient);
}

}  // namespace

double clip_grad_norm(const NamedTensors& parameters, double max_norm) {
  if (!(max_norm > 0)) fail("clip_grad_norm: wanted max_norm > 0; got ", max_norm);
  const NoGrad no_grad;
  double squares = 0;
  for (const auto& [name, parameter] : parameters) {
    if (parameter.grad().defined()) squares += square_sum(parameter.grad());
  }
  const double norm = std::sqrt(squares);
  const double factor = max_norm / (norm + 1e-6);
  if (!std::isfinite(norm) || factor >= 1) return norm;
  for (const auto& [name, parameter] : parameters) {
    if (!parameter.grad().defined()) continue;
    map_gradient(parameter, [factor](auto v) { return v * static_cast<decltype(v)>(factor); });
  }
  return norm;
}

void clip_grad_value(const NamedTensors& parameters, double limit) {
  if (!(limit > 0)) fail("clip_grad_value: wanted limit > 0; got ", limit);
  const NoGrad no_grad;
  for (const auto& [name, parameter] : parameters) {
    if (!parameter.grad().defined()) continue;
    map_gradient(parameter, [limit](auto v) {
      using T = decltype(v);
      return std::clamp(v, static_cast<T>(-limit), static_cast<T>(limit));
    });
  }
}

}  // namespace rapt::optim
