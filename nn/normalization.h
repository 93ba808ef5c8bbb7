#pragma once

#include "rapt/nn/module.h"

namespace rapt::nn {

/// (x - mean) / sqrt(var + eps) * weight + bias over the last axis (arXiv:1607.06450).
/// x [..., width] -> the same.   weight [width] starts at 1, bias [width] at 0.
class LayerNorm : public Module {
 public:
  explicit LayerNorm(int64_t width, double eps = 1e-5);
  Tensor operator()(const Tensor& x) const;

  Tensor weight, bias;

 private:
  double eps_;
};

/// x / sqrt(mean(x^2) + eps) * weight over the last axis (arXiv:1910.07467).
/// x [..., width] -> the same.   weight [width] starts at 1.
class RMSNorm : public Module {
 public:
  explicit RMSNorm(int64_t width, double eps = 1e-5);
  Tensor operator()(const Tensor& x) const;

  Tensor weight;

 private:
  double eps_;
};

enum class NormKind { layer, rms };

/// LayerNorm or RMSNorm, chosen at run time; the names of the chosen one's parameters.
class Norm : public Module {
 public:
  Norm(NormKind kind, int64_t width, double eps = 1e-5);
  Tensor operator()(const Tensor& x) const;

  Tensor weight, bias;  ///< bias is undefined for rms

 private:
  NormKind kind_;
  double eps_;
};

}  // namespace rapt::nn
