#include "rapt/autograd/ops/recurrent.h"

#include "rapt/autograd/error.h"
#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/recurrent.h"

namespace rapt {
namespace {

using kernels::RecurrentCell;

void check_state(const char* op, const char* argument, const Tensor& x, const Tensor& state,
                 int64_t hidden) {
  if (!state.defined()) return;
  require_same_dtype(op, x, state);
  if (state.shape() == Shape{x.size(0), hidden}) return;
  fail(op, ": wanted ", argument, " [", x.size(0), ", ", hidden, "], a row for each of x ",
       x.shape(), "; got ", state.shape());
}

void check_lengths(const char* op, const Tensor& x, const Tensor& lengths) {
  if (!lengths.defined()) return;
  require_dtype(op, "lengths", lengths, Dtype::i64);
  if (lengths.shape() != Shape{x.size(0)}) {
    fail(op, ": wanted lengths [", x.size(0), "], one for each row of x ", x.shape(), "; got ",
         lengths.shape());
  }
  const int64_t steps = x.size(1);
  const int64_t bad = first_bad<int64_t>(lengths, [&](int64_t n) { return n < 0 || n > steps; });
  if (bad < 0) return;
  fail(op, ": wanted lengths from 0 to ", steps, ", the T of x ", x.shape(), "; got ",
       lengths.contiguous().data<int64_t>()[bad]);
}

/// The width of the state.
int64_t check_weights(const char* op, const Tensor& x, const RecurrentWeights& w, int64_t gates) {
  require_float(op, "x", x);
  if (x.rank() != 3) fail(op, ": wanted x [B, T, in]; got ", x.shape());
  require_defined(op, "weight_ih", w.weight_ih);
  require_defined(op, "weight_hh", w.weight_hh);
  require_same_dtype(op, x, w.weight_ih);
  require_same_dtype(op, x, w.weight_hh);
  const int64_t hidden = w.weight_hh.rank() == 2 ? w.weight_hh.size(1) : -1;
  if (hidden < 0 || w.weight_hh.size(0) != gates * hidden) {
    fail(op, ": wanted weight_hh [", gates, " hidden, hidden]; got ", w.weight_hh.shape());
  }
  if (w.weight_ih.shape() != Shape{gates * hidden, x.size(2)}) {
    fail(op, ": wanted weight_ih [", gates * hidden, ", ", x.size(2), "] for x ", x.shape(),
         " and weight_hh ", w.weight_hh.shape(), "; got ", w.weight_ih.shape());
  }
  const auto check_bias = [&](const char* argument, const Tensor& bias) {
    if (!bias.defined()) return;
    require_same_dtype(op, x, bias);
    if (bias.shape() == Shape{gates * hidden}) return;
    fail(op, ": wanted ", argument, " [", gates * hidden, "], the first axis of weight_hh ",
         w.weight_hh.shape(), "; got ", bias.shape());
  };
  check_bias("bias_ih", w.bias_ih);
  check_bias("bias_hh", w.bias_hh);
  return hidden;
}

RecurrentResult run(const char* op, RecurrentCell cell, const Tensor& x, const RecurrentWeights& w,
                    const RecurrentState& initial, const RecurrentOptions& options) {
  const bool has_cell = cell == RecurrentCell::lstm;
  const bool is_rnn = cell == RecurrentCell::rnn_tanh || cell == RecurrentCell::rnn_relu;
  const int64_t hidden = check_weights(op, x, w, kernels::gates_of(cell));
  check_state(op, "an initial hidden state", x, initial.hidden, hidden);
  check_state(op, "an initial cell", x, initial.cell, hidden);
  if (!has_cell && initial.cell.defined()) {
    fail(op, ": wanted an initial state without a cell, which lstm alone has; got ",
         initial.cell.shape());
  }
  if (!is_rnn && options.nonlinearity != RnnNonlinearity::tanh) {
    fail(op, ": wanted no nonlinearity, which rnn alone has; got relu");
  }
  check_lengths(op, x, options.lengths);
  const auto call = std::allocate_shared<const RecurrentCall>(
      PoolAllocator<RecurrentCall>(), op, cell, x, hidden, options.lengths, options.reverse);
  // A copy of a strided x is in the graph, and kept alone.
  const Tensors inputs = {x.contiguous(), w.weight_ih,    w.weight_hh, w.bias_ih,
                          w.bias_hh,      initial.hidden, initial.cell};
  RecurrentRun kernels(call, inputs);
  Tensors values = kernels.value();
  const Tensors out =
      join_graph(op, inputs, std::move(values),
                 [call, inputs, kernels = std::move(kernels)](const Backward& b) -> Gradients {
                   if (!b.create_graph) return kernels.gradients(b);
                   return differentiate_each(
                       [&](const Tensors& in) { return recurrent_in_ops(*call, in); }, inputs, b);
                 },
                 {.keep_output = true});
  return {out[0], {out[1], has_cell ? out[2] : Tensor()}};
}

}  // namespace

RecurrentResult rnn(const Tensor& x, const RecurrentWeights& weights, const RecurrentState& initial,
                    const RecurrentOptions& options) {
  const bool is_relu = options.nonlinearity == RnnNonlinearity::relu;
  return run("rnn", is_relu ? RecurrentCell::rnn_relu : RecurrentCell::rnn_tanh, x, weights,
             initial, options);
}

RecurrentResult lstm(const Tensor& x, const RecurrentWeights& weights,
                     const RecurrentState& initial, const RecurrentOptions& options) {
  return run("lstm", RecurrentCell::lstm, x, weights, initial, options);
}

RecurrentResult gru(const Tensor& x, const RecurrentWeights& weights, const RecurrentState& initial,
                    const RecurrentOptions& options) {
  return run("gru", RecurrentCell::gru, x, weights, initial, options);
}

}  // namespace rapt
