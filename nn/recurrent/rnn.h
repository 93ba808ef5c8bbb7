#pragma once

#include "rapt/nn/recurrent/stack.h"

namespace rapt::nn {

struct RNNOptions {
  int64_t input = 0;           ///< width of x
  int64_t hidden = 0;          ///< width of the state
  int64_t layers = 1;          ///< each of which reads the outputs of the one before
  bool bidirectional = false;  ///< each layer reads from both ends
  double dropout = 0;          ///< of what one layer hands to the next
  bool bias = true;
  RnnNonlinearity nonlinearity = RnnNonlinearity::tanh;
};

/// An Elman network (see rnn in autograd/ops/recurrent.h, which has the formula), of one or more
/// layers.
///
///   const nn::RNN layer({.input = 8, .hidden = 16, .layers = 2}, rng);
///   const Tensor y = layer(x, {.lengths = lengths});   // [B, T, 8] -> [B, T, 16]
///
/// Weights start as in PyTorch, uniform in +-1 / sqrt(hidden); parameters are named as
/// layers.0.forward.weight_ih, and PyTorch's own names are in pytorch_state.h. Throws unless input,
/// hidden and layers are at least 1 and 0 <= dropout < 1, with layers for it to be between.
class RNN : public RecurrentStack {
 public:
  RNN(const RNNOptions& options, Rng& rng);
};

}  // namespace rapt::nn
