#pragma once

#include "rapt/nn/recurrent/stack.h"

namespace rapt::nn {

using LSTMOptions = RecurrentStackOptions;

/// Long short-term memory (see lstm in autograd/ops/recurrent.h, which has the formula), of one or
/// more layers.
///
///   const nn::LSTM layer({.input = 8, .hidden = 16, .layers = 2}, rng);
///   const Tensor y = layer(x, {.lengths = lengths});   // [B, T, 8] -> [B, T, 16]
///
/// Weights start as in PyTorch, uniform in +-1 / sqrt(hidden); parameters are named as
/// layers.0.forward.weight_ih, and PyTorch's own names are in pytorch_state.h. Throws unless input,
/// hidden and layers are at least 1 and 0 <= dropout < 1, with layers for it to be between.
class LSTM : public RecurrentStack {
 public:
  LSTM(const LSTMOptions& options, Rng& rng);
};

}  // namespace rapt::nn
