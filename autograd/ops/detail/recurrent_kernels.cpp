#include <algorithm>

#include "rapt/autograd/graph/reuse.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/products.h"
#include "rapt/autograd/ops/detail/recurrent.h"
#include "rapt/autograd/ops/detail/sum_to.h"

namespace rapt {
namespace {

using kernels::RecurrentCell;
using In = RecurrentInputs;

template <class T>
const T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

template <class T>
T* fresh_or_null(const Tensor& x) {
  return x.defined() ? fresh_data<T>(x) : nullptr;
}

/// A dense tensor to read, outside the graph; undefined stays so.
Tensor dense(const Tensor& x) { return x.defined() ? x.detach().contiguous() : x; }

/// A tensor of the same shape for a result, in x's own place if the rule may write there.
Tensor in_place_of(const Backward& b, const Tensor& x) {
  return may_overwrite(b, x) ? x : empty(x.shape(), x.dtype());
}

}  // namespace

RecurrentCall::RecurrentCall(const char* name, RecurrentCell kind, const Tensor& x_of,
                             int64_t width, const Tensor& lengths_of, bool backwards)
    : op(name),
      cell(kind),
      rows(x_of.size(0)),
      steps(x_of.size(1)),
      hidden(width),
      reverse(backwards) {
  const auto count = static_cast<size_t>(rows);
  lengths.resize(count, steps);
  if (lengths_of.defined()) {
    const Tensor given = lengths_of.contiguous();
    std::copy_n(given.data<int64_t>(), count, lengths.data());
  }
  for (size_t i = 0; i < count; ++i) {
    starts.push_back(total);
    order.push_back(static_cast<int64_t>(i));
    total += lengths[i];
  }
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const int64_t of_a = lengths[static_cast<size_t>(a)], of_b = lengths[static_cast<size_t>(b)];
    return of_a != of_b ? of_a > of_b : a < b;
  });
}

RecurrentRun::RecurrentRun(std::shared_ptr<const RecurrentCall> call, const Tensors& inputs)
    : call_(std::move(call)),
      weight_ih_(dense(inputs[In::weight_ih])),
      weight_hh_(dense(inputs[In::weight_hh])),
      bias_ih_(dense(inputs[In::bias_ih])),
      bias_hh_(dense(inputs[In::bias_hh])),
      h0_(dense(inputs[In::h0])),
      c0_(dense(inputs[In::c0])) {
  const Tensor x = dense(inputs[In::x]);
  const int64_t width = x.size(-1);
  if (call_->is_full()) {
    tokens_ = reshape(x, {call_->total, width});
    return;
  }
  tokens_ = empty({call_->total, width}, x.dtype());
  visit_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::pack_tokens(call_->tokens(), width, x.data<T>(), fresh_data<T>(tokens_));
  });
}

template <class T>
kernels::Recurrent<T> RecurrentRun::as() const {
  return {call_->cell,          call_->tokens(),           call_->hidden,
          weight_hh_.data<T>(), data_or_null<T>(bias_hh_), data_or_null<T>(h0_),
          data_or_null<T>(c0_)};
}

Tensors RecurrentRun::value() {
  const RecurrentCall& call = *call_;
  const Dtype dtype = tokens_.dtype();
  const int64_t h = call.hidden;
  const NoGrad no_grad;
  Products products;
  gates_ =
      products.add(tokens_, transpose(weight_ih_), {call.total, call.gates() * h}, {}, bias_ih_);
  products.run();
  kept_ = empty({call.total, kernels::kept_of(call.cell) * h}, dtype);
  Tensors out = {empty({call.rows, call.steps, h}, dtype), empty({call.rows, h}, dtype)};
  if (call.cell == RecurrentCell::lstm) out.push_back(empty({call.rows, h}, dtype));
  visit_float(dtype, [&](auto zero) {
    using T = decltype(zero);
    kernels::recurrent_forward<T>(
        as<T>(), {fresh_data<T>(gates_), fresh_data<T>(kept_), fresh_data<T>(out[0]),
                  fresh_data<T>(out[1]), out.size() > 2 ? fresh_data<T>(out[2]) : nullptr});
  });
  return out;
}

RecurrentRun::StepGradients RecurrentRun::step_gradients(const Backward& b) const {
  const RecurrentCall& call = *call_;
  const bool is_lstm = call.cell == RecurrentCell::lstm, is_gru = call.cell == RecurrentCell::gru;
  const Shape state{call.rows, call.hidden};
  const Dtype dtype = tokens_.dtype();
  StepGradients to;
  to.gates = in_place_of(b, gates_);
  if (is_gru) to.inner = in_place_of(b, kept_);
  if (b.needs(In::h0)) to.h0 = empty(state, dtype);
  if (b.needs(In::c0)) to.c0 = empty(state, dtype);
  const Tensor d_output = dense(b.grad_of(0)), d_h = dense(b.grad_of(1));
  const Tensor d_c = is_lstm ? dense(b.grad_of(2)) : Tensor();
  const Tensor output = b.output(0).detach();
  visit_float(dtype, [&](auto zero) {
    using T = decltype(zero);
    kernels::recurrent_backward<T>(
        as<T>(), {gates_.data<T>(), kept_.data<T>(), output.data<T>(), data_or_null<T>(d_output),
                  data_or_null<T>(d_h), data_or_null<T>(d_c), fresh_data<T>(to.gates),
                  fresh_or_null<T>(to.inner), fresh_or_null<T>(to.h0), fresh_or_null<T>(to.c0)});
  });
  return to;
}

/// to = d(W_hh h)^T h_before, whose last part is apart in gru.
void RecurrentRun::add_weight_hh(Products& products, const StepGradients& g, const Tensor& before,
                                 const Tensor& to) const {
  if (!g.inner.defined()) {
    products.add(transpose(g.gates), before, to.shape(), to);
    return;
  }
  const int64_t inner = 2 * call_->hidden, all = to.size(0);
  const Tensor first = slice(to, 0, 0, inner), last = slice(to, 0, inner, all);
  products.add(transpose(slice(g.gates, 1, 0, inner)), before, first.shape(), first);
  products.add(transpose(g.inner), before, last.shape(), last);
}

/// Both are sums of the same rows, but for the last part of gru's.
void RecurrentRun::add_biases(const Backward& b, const StepGradients& g, Gradients& out) const {
  const int64_t all = call_->gates() * call_->hidden, inner = 2 * call_->hidden;
  Tensor same;  // what both begin with, where nothing had arrived
  if (b.needs(In::bias_ih)) {
    const Tensor arrived = accumulate_into(b, In::bias_ih);
    out[In::bias_ih] = sum_to(g.gates, {all}, arrived);
    if (!arrived.defined()) same = out[In::bias_ih];
  }
  if (!b.needs(In::bias_hh)) return;
  const Tensor arrived = accumulate_into(b, In::bias_hh);
  const bool fresh = !arrived.defined();
  if (!g.inner.defined()) {
    out[In::bias_hh] = fresh && same.defined() ? same.clone() : sum_to(g.gates, {all}, arrived);
    return;
  }
  const Tensor first = slice(g.gates, 1, 0, inner);
  const Tensor to = fresh ? empty({all}, g.gates.dtype()) : arrived;
  const Tensor of_first = slice(to, 0, 0, inner), of_inner = slice(to, 0, inner, all);
  if (fresh) {
    copy_elements(of_first, same.defined() ? slice(same, 0, 0, inner) : sum_to(first, {inner}));
    copy_elements(of_inner, sum_to(g.inner, {all - inner}));
  } else {
    sum_to(first, {inner}, of_first);
    sum_to(g.inner, {all - inner}, of_inner);
  }
  out[In::bias_hh] = to;
}

/// [N, width] -> [B, T, width]
Tensor RecurrentRun::unpacked(const Tensor& tokens) const {
  const int64_t width = tokens.size(1);
  const Tensor x = empty({call_->rows, call_->steps, width}, tokens.dtype());
  visit_float(tokens.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::unpack_tokens(call_->tokens(), width, tokens.data<T>(), fresh_data<T>(x));
  });
  return x;
}

Gradients RecurrentRun::gradients(const Backward& b) const {
  const RecurrentCall& call = *call_;
  const int64_t width = tokens_.size(1), h = call.hidden;
  const Dtype dtype = tokens_.dtype();
  const StepGradients g = step_gradients(b);
  Gradients out(In::count);
  Products products;
  if (b.needs(In::x)) {
    const Tensor into = call.is_full() ? accumulate_into(b, In::x) : Tensor();
    const Shape shape =
        call.is_full() ? Shape{call.rows, call.steps, width} : Shape{call.total, width};
    out[In::x] = products.add(g.gates, weight_ih_, shape, into);
  }
  if (b.needs(In::weight_ih)) {
    out[In::weight_ih] = products.add(transpose(g.gates), tokens_, weight_ih_.shape(),
                                      accumulate_into(b, In::weight_ih));
  }
  if (b.needs(In::weight_hh)) {
    const Tensor before = empty({call.total, h}, dtype), output = b.output(0).detach();
    visit_float(dtype, [&](auto zero) {
      using T = decltype(zero);
      kernels::previous_hidden(as<T>(), output.data<T>(), fresh_data<T>(before));
    });
    Tensor& to = out[In::weight_hh] = accumulate_into(b, In::weight_hh);
    if (!to.defined()) to = zeros(weight_hh_.shape(), dtype);
    add_weight_hh(products, g, before, to);
  }
  products.run();
  add_biases(b, g, out);
  out[In::h0] = g.h0;
  out[In::c0] = g.c0;
  if (out[In::x].defined() && !call.is_full()) out[In::x] = unpacked(out[In::x]);
  return out;
}

}  // namespace rapt
