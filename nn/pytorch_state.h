#pragma once

#include "rapt/autograd/named_tensors.h"

namespace rapt::nn {

class MultiHeadAttention;
class RecurrentStack;
class TransformerBlock;
class TransformerStack;

/// Weights to and from PyTorch. pytorch_state gives a layer's parameters by the names that they
/// have in the state_dict of PyTorch's layer, as copies: one of PyTorch's may be several of rapt's.
/// load_pytorch_state takes over what such a state_dict holds. Both throw when the layer has a
/// parameter that PyTorch's has not. Loading throws as well, listing every name that is missing or
/// unexpected and every shape or dtype that differs; and then nothing has been written.
///
/// Positions, windows, masks, activations and where norms stand are no parameters: they are the
/// caller's to match.

/// nn.RNN, nn.LSTM or nn.GRU: weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0,
/// weight_ih_l0_reverse, ...
NamedTensors pytorch_state(const RecurrentStack& layer);
void load_pytorch_state(RecurrentStack& layer, const NamedTensors& state);

/// nn.MultiheadAttention: in_proj_weight (query, key and value, one below the other), in_proj_bias,
/// out_proj.weight, out_proj.bias. With a memory_width, which is then PyTorch's kdim and vdim:
/// q_proj_weight, k_proj_weight and v_proj_weight. PyTorch's add_bias_kv, bias_k and bias_v, has no
/// place here: it appends a trained key and value, to which every query attends. A `sink` has a
/// score alone.
NamedTensors pytorch_state(const MultiHeadAttention& layer);
void load_pytorch_state(MultiHeadAttention& layer, const NamedTensors& state);

/// nn.TransformerEncoderLayer: self_attn.*, linear1, linear2, norm1, norm2; with cross_attention,
/// nn.TransformerDecoderLayer: self_attn.*, multihead_attn.*, linear1, linear2, norm1, norm2,
/// norm3. pre_norm is PyTorch's norm_first.
NamedTensors pytorch_state(const TransformerBlock& block);
void load_pytorch_state(TransformerBlock& block, const NamedTensors& state);

/// nn.TransformerEncoder, or with cross_attention nn.TransformerDecoder: layers.0.*, ..., norm. The
/// last is PyTorch's option `norm` and TransformerStackOptions::final_norm.
NamedTensors pytorch_state(const TransformerStack& stack);
void load_pytorch_state(TransformerStack& stack, const NamedTensors& state);

/// nn.Transformer: encoder.*, decoder.*. PyTorch ends both with a norm, also where norm_first is
/// false: final_norm.
NamedTensors pytorch_state(const TransformerStack& encoder, const TransformerStack& decoder);
void load_pytorch_state(TransformerStack& encoder, TransformerStack& decoder,
                        const NamedTensors& state);

}  // namespace rapt::nn
