#include "rapt/optim/clip.h"

#include <algorithm>
#include <cmath>

#include "rapt/optim/block.h"

namespace rapt::optim {
namespace {

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

/// The parameters that have a gradient, with it as one dense block.
struct DenseGradients {
  explicit DenseGradients(const NamedTensors& all) {
    for (const auto& [name, parameter] : all) {
      if (!parameter.grad().defined()) continue;
      parameters.push_back(parameter);
      gradients.push_back(parameter.grad().contiguous());
      block.add(parameter.numel());
    }
  }

  /// Replaces every element v by f(v).
  template <class F>
  void map(F f) {
    PoolVector<void*> data;
    for (Tensor& g : gradients) {
      data.push_back(visit_float(
          g.dtype(), [&](auto zero) -> void* { return g.mutable_data<decltype(zero)>(); }));
    }
    block.for_each([&](int64_t, size_t i, int64_t begin, int64_t end) {
      visit_float(gradients[i].dtype(), [&](auto zero) {
        auto* values = static_cast<decltype(zero)*>(data[i]);
        for (int64_t at = begin; at < end; ++at) values[at] = f(values[at]);
      });
    });
    for (size_t i = 0; i < parameters.size(); ++i) parameters[i].set_grad(gradients[i]);
  }

  Tensors parameters, gradients;
  Block block;
};

}  // namespace

double grad_norm(const NamedTensors& parameters) {
  const NoGrad no_grad;
  const DenseGradients all(parameters);
  PoolVector<double> parts(static_cast<size_t>(all.block.pieces()), 0.0);
  all.block.for_each([&](int64_t piece, size_t i, int64_t begin, int64_t end) {
    visit_float(all.gradients[i].dtype(), [&](auto zero) {
      const auto* values = all.gradients[i].data<decltype(zero)>();
      parts[static_cast<size_t>(piece)] += square_sum(values + begin, end - begin);
    });
  });
  double squares = 0;
  for (const double part : parts) squares += part;
  return std::sqrt(squares);
}

double clip_factor(double norm, double max_norm) {
  const double factor = max_norm / (norm + 1e-6);
  return std::isfinite(norm) ? std::min(factor, 1.0) : 1.0;
}

double clip_grad_norm(const NamedTensors& parameters, double max_norm) {
  if (!(max_norm > 0)) fail("clip_grad_norm: wanted max_norm > 0; got ", max_norm);
  const NoGrad no_grad;
  const double norm = grad_norm(parameters);
  const double factor = clip_factor(norm, max_norm);
  if (factor < 1) {
    DenseGradients(parameters).map([factor](auto v) {
      return v * static_cast<decltype(v)>(factor);
    });
  }
  return norm;
}

void clip_grad_value(const NamedTensors& parameters, double limit) {
  if (!(limit > 0)) fail("clip_grad_value: wanted limit > 0; got ", limit);
  const NoGrad no_grad;
  DenseGradients(parameters).map([limit](auto v) {
    using T = decltype(v);
    return std::clamp(v, static_cast<T>(-limit), static_cast<T>(limit));
  });
}

}  // namespace rapt::optim
