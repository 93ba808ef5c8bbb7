#pragma once

// Private to the recurrent ops: one call, its kernels, and its definition.

#include "rapt/autograd/kernels/recurrent/recurrent.h"
#include "rapt/autograd/pool.h"
#include "rapt/autograd/record.h"

namespace rapt {

/// The inputs of a call, in the order of their gradients. The last four may be undefined.
struct RecurrentInputs {
  enum At : size_t { x, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0, count };
};

/// What is fixed of a call: sizes, and where its tokens lie.
struct RecurrentCall {
  /// lengths i64 [B], checked; or undefined.
  RecurrentCall(const char* name, kernels::RecurrentCell kind, const Tensor& x_of, int64_t width,
                const Tensor& lengths_of, bool backwards);

  kernels::RecurrentTokens tokens() const {
    return {rows, steps, total, lengths.data(), starts.data(), order.data(), reverse};
  }
  /// True when no row is shorter than T: then packed tokens lie as padded ones do.
  bool is_full() const { return total == rows * steps; }
  int64_t gates() const { return kernels::gates_of(cell); }

  const char* op;
  kernels::RecurrentCell cell;
  int64_t rows, steps, hidden, total = 0;
  bool reverse;
  PoolVector<int64_t> lengths, starts, order;
};

/// By kernels: a value, and the gradients from what it kept.
class RecurrentRun {
 public:
  RecurrentRun(std::shared_ptr<const RecurrentCall> call, const Tensors& inputs);

  /// Output [B, T, hidden], the last h [B, hidden] and, of lstm, the last c.
  Tensors value();
  /// Of the inputs. The rule has to keep the output.
  Gradients gradients(const Backward& b) const;

 private:
  struct StepGradients {
    Tensor gates, inner, h0, c0;  // of W_ih x + b_ih; of gru's inner part; of the states
  };
  template <class T>
  kernels::Recurrent<T> as() const;
  StepGradients step_gradients(const Backward& b) const;
  void add_weight_hh(class Products& products, const StepGradients& g, const Tensor& before,
                     const Tensor& to) const;
  void add_biases(const Backward& b, const StepGradients& g, Gradients& out) const;
  Tensor unpacked(const Tensor& tokens) const;

  std::shared_ptr<const RecurrentCall> call_;
  Tensor tokens_;  // of x, packed: [N, in]
  Tensor weight_ih_, weight_hh_, bias_ih_, bias_hh_;
  Tensor h0_, c0_;       // or undefined
  Tensor gates_, kept_;  // [N, G hidden], [N, K hidden]
};

/// The same function in plain ops.
Tensors recurrent_in_ops(const RecurrentCall& call, const Tensors& inputs);

}  // namespace rapt
