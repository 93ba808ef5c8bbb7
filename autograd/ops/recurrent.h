#pragma once

#include "rapt/autograd/tensor.h"

/// Recurrent networks over whole sequences: one layer, in one direction. Layers of several, in both
/// directions, are in nn/recurrent.
///
/// x [B, T, in], batch first; G gates of `hidden` numbers each, in PyTorch's order. A row's output
/// and last state have the same bits alone and in any batch, padded or not, as a whole or step by
/// step with the state handed on. What lies past a row's length has no say, NaN or not; time goes
/// with the sum of the lengths.
namespace rapt {

/// The weights, by PyTorch's names.
struct RecurrentWeights {
  Tensor weight_ih;     ///< [G hidden, in]
  Tensor weight_hh;     ///< [G hidden, hidden]
  Tensor bias_ih = {};  ///< [G hidden]; or undefined
  Tensor bias_hh = {};  ///< [G hidden]; or undefined
};

/// Where a sequence stands; undefined stands for zeros.
struct RecurrentState {
  Tensor hidden = {};  ///< [B, hidden]
  Tensor cell = {};    ///< [B, hidden]; of lstm alone
};

/// Of rnn.
enum class RnnNonlinearity { tanh, relu };

struct RecurrentOptions {
  Tensor lengths = {};   ///< i64 [B], from 0 to T: row b is x[b, :lengths[b]]; undefined: all of T
  bool reverse = false;  ///< from each row's own last token to its first
  RnnNonlinearity nonlinearity = RnnNonlinearity::tanh;  ///< of rnn alone
};

struct RecurrentResult {
  Tensor output;  ///< [B, T, hidden]: h after each token; 0 past a row's length
  /// After each row's own last token (its first, in reverse); of a row of length 0, the initial
  /// one.
  RecurrentState last;
};

/// Elman's network (Cognitive Science 14, 1990), G = 1:
///   h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu of it
RecurrentResult rnn(const Tensor& x, const RecurrentWeights& weights,
                    const RecurrentState& initial = {}, const RecurrentOptions& options = {});

/// Long short-term memory (Neural Computation 9, 1997, with the forget gate of 12, 2000), G = 4:
///   i, f, g, o = the parts of W_ih x + b_ih + W_hh h + b_hh
///   c' = sigmoid(f) c + sigmoid(i) tanh(g)
///   h' = sigmoid(o) tanh(c')
RecurrentResult lstm(const Tensor& x, const RecurrentWeights& weights,
                     const RecurrentState& initial = {}, const RecurrentOptions& options = {});

/// Gated recurrent unit (arXiv:1406.1078, with the reset gate behind the product), G = 3:
///   r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
///   z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
///   n  = tanh(W_in x + b_in + r (W_hn h + b_hn))
///   h' = (1 - z) n + z h
RecurrentResult gru(const Tensor& x, const RecurrentWeights& weights,
                    const RecurrentState& initial = {}, const RecurrentOptions& options = {});

}  // namespace rapt
