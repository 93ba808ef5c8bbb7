#pragma once

#include "rapt/nn/recurrent/stack.h"

namespace rapt::nn {

/// The layer's parameters (handles, not copies) by the names that they have in PyTorch's state_dict
/// of nn.RNN, nn.LSTM or nn.GRU: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0,
/// weight_ih_l0_reverse, ...
NamedTensors pytorch_state(const RecurrentStack& layer);

/// Takes over what such a state_dict holds. Throws, listing every name that is missing or
/// unexpected and every shape or dtype that differs; then nothing has been written.
void load_pytorch_state(RecurrentStack& layer, const NamedTensors& state);

}  // namespace rapt::nn
