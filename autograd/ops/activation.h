#pragma once

#include "rapt/autograd/tensor.h"

/// The nonlinearities of networks.
namespace rapt {

/// max(x, 0), with gradient 0 at 0.
Tensor relu(const Tensor& x);
/// x where it is above 0, else negative_slope * x.
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
/// x where it is above 0, else alpha (exp(x) - 1) (arXiv:1511.07289).
Tensor elu(const Tensor& x, double alpha = 1);
/// scale * elu(x, alpha), with the constants of arXiv:1706.02515 that keep mean 0 and variance 1.
Tensor selu(const Tensor& x);
/// The two usual forms of GELU (arXiv:1606.08415): x * Phi(x) exactly, or with Phi's tanh
/// approximation as in GPT-2.
enum class Gelu { erf, tanh };
Tensor gelu(const Tensor& x, Gelu form = Gelu::erf);
/// x * sigmoid(x) (arXiv:1710.05941).
Tensor silu(const Tensor& x);
/// x * clamp(x + 3, 0, 6) / 6 (arXiv:1905.02244).
Tensor hardswish(const Tensor& x);
/// x * tanh(softplus(x)) (arXiv:1908.08681).
Tensor mish(const Tensor& x);
/// log(1 + exp(beta x)) / beta, at any x without overflow or loss of digits. beta > 0.
Tensor softplus(const Tensor& x, double beta = 1);
/// log(sigmoid(x)), likewise.
Tensor logsigmoid(const Tensor& x);
/// x / (1 + |x|).
Tensor softsign(const Tensor& x);

}  // namespace rapt
