#pragma once

#include "rapt/autograd/tensor.h"

/// The nonlinearities of networks.
namespace rapt {

/// max(x, 0), with gradient 0 at 0.
Tensor relu(const Tensor& x);
/// The two usual forms of GELU (arXiv:1606.08415): x * Phi(x) exactly, or with Phi's tanh
/// approximation as in GPT-2.
enum class Gelu { erf, tanh };
Tensor gelu(const Tensor& x, Gelu form = Gelu::erf);
/// x * sigmoid(x) (arXiv:1710.05941).
Tensor silu(const Tensor& x);

}  // namespace rapt
