#pragma once

#include <optional>

#include "rapt/nn/linear.h"

namespace rapt::nn {

/// gelu is x * Phi(x); gelu_tanh is its approximation in GPT-2 (arXiv:1606.08415); silu is
/// x * sigmoid(x); relu_squared is relu(x)^2 (arXiv:2109.08668); sigmoid and identity are for
/// gates.
enum class Activation { relu, gelu, gelu_tanh, silu, relu_squared, sigmoid, identity };

Tensor activate(const Tensor& x, Activation activation);

struct FeedForwardOptions {
  int64_t width = 0;
  int64_t hidden = 0;  ///< 0 stands for 4 * width
  Activation activation = Activation::gelu_tanh;
  /// With sigmoid: GLU; identity: bilinear; relu: ReGLU; gelu: GEGLU; silu: SwiGLU
  /// (arXiv:2002.05202).
  bool gated = false;
  bool bias = true;
};

/// down(activation(up(x))), at each place by itself (arXiv:1706.03762, section 3.3).
/// Gated: down(activation(gate(x)) * up(x)).   x [..., width] -> the same
class FeedForward : public Module {
 public:
  FeedForward(const FeedForwardOptions& options, Rng& rng);
  Tensor operator()(const Tensor& x) const;

  Linear up, down;             ///< [hidden, width] and [width, hidden]
  std::optional<Linear> gate;  ///< [hidden, width], when gated

 private:
  Activation activation_;
};

}  // namespace rapt::nn
