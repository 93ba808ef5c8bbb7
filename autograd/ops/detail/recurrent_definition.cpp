#include <algorithm>

#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/recurrent.h"

namespace rapt {
namespace {

using kernels::RecurrentCell;
using In = RecurrentInputs;

struct State {
  Tensor h, c;
};

/// The states behind one step. from_x = W_ih x + b_ih, from_h = W_hh h + b_hh.   [B, G hidden]
State step(RecurrentCell cell, const State& before, const Tensor& from_x, const Tensor& from_h) {
  const Tensor& h = before.h;
  switch (cell) {
    case RecurrentCell::rnn_tanh:
      return {tanh(from_x + from_h), {}};
    case RecurrentCell::rnn_relu:
      return {relu(from_x + from_h), {}};
    case RecurrentCell::lstm: {
      const Tensors z = chunk(from_x + from_h, 4, -1);
      const Tensor i = sigmoid(z[0]), f = sigmoid(z[1]), g = tanh(z[2]), o = sigmoid(z[3]);
      const Tensor kept = f * before.c, added = i * g;
      const Tensor c = kept + added;
      return {o * tanh(c), c};
    }
    case RecurrentCell::gru: {
      const Tensors zx = chunk(from_x, 3, -1), zh = chunk(from_h, 3, -1);
      const Tensor r = sigmoid(zx[0] + zh[0]), z = sigmoid(zx[1] + zh[1]);
      const Tensor n = tanh(zx[2] + r * zh[2]);
      const Tensor fresh = (1.0 - z) * n, kept = z * h;
      return {fresh + kept, {}};
    }
  }
  return {};
}

/// a where `running`, else b; a if all run. An undefined b is 0.
Tensor choose(const Tensor& running, const Tensor& a, const Tensor& b) {
  if (!running.defined()) return a;
  return b.defined() ? where(running, a, b) : where(running, a, 0.0);
}

}  // namespace

Tensors recurrent_in_ops(const RecurrentCall& call, const Tensors& inputs) {
  const bool has_cell = call.cell == RecurrentCell::lstm;
  const int64_t rows = call.rows, steps = call.steps, hidden = call.hidden;
  const Dtype dtype = inputs[In::x].dtype();
  // What is past a row's end is 0 before each function and behind it: 0 * NaN would be NaN, of x
  // and of weights alike.
  Tensor running;  // b8 [B, T]; undefined: all
  if (!call.is_full()) {
    Tensor lengths = zeros({rows, 1}, Dtype::i64);
    std::copy_n(call.lengths.data(), rows, lengths.mutable_data<int64_t>());
    running = less(unsqueeze(arange(steps), 0), lengths);
  }
  const Tensor seen = running.defined() ? unsqueeze(running, -1) : running;
  const Tensor x = choose(seen, inputs[In::x], {});
  const Tensor from_x = choose(seen, linear(x, inputs[In::weight_ih], inputs[In::bias_ih]), {});
  const auto initial = [&](const Tensor& given) {
    return given.defined() ? given : zeros({rows, hidden}, dtype);
  };
  State state{initial(inputs[In::h0]), has_cell ? initial(inputs[In::c0]) : Tensor()};
  Tensors outputs(static_cast<size_t>(steps));
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t t = call.reverse ? steps - 1 - i : i;
    const Tensor here = running.defined() ? unsqueeze(select(running, 1, t), -1) : running;
    const State before{choose(here, state.h, {}), has_cell ? choose(here, state.c, {}) : Tensor()};
    const Tensor from_h =
        choose(here, linear(before.h, inputs[In::weight_hh], inputs[In::bias_hh]), {});
    const State behind = step(call.cell, before, select(from_x, 1, t), from_h);
    outputs[static_cast<size_t>(t)] = choose(here, behind.h, {});
    state.h = choose(here, behind.h, state.h);
    if (has_cell) state.c = choose(here, behind.c, state.c);
  }
  Tensors out = {steps == 0 ? zeros({rows, 0, hidden}, dtype) : stack(outputs, 1), state.h};
  if (has_cell) out.push_back(state.c);
  return out;
}

}  // namespace rapt
