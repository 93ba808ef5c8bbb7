#include "rapt/nn/recurrent/stack.h"

#include <cmath>
#include <string>
#include <utility>

#include "rapt/autograd/ops.h"
#include "rapt/nn/detail/configuration.h"
#include "rapt/nn/recurrent/rnn.h"

namespace rapt::nn {
namespace {

int64_t gates_of(RecurrentKind kind) {
  switch (kind) {
    case RecurrentKind::rnn:
      return 1;
    case RecurrentKind::lstm:
      return 4;
    case RecurrentKind::gru:
      return 3;
  }
  return 0;
}

RecurrentStackOptions checked(const char* name, const RecurrentStackOptions& o) {
  if (o.input < 1 || o.hidden < 1 || o.layers < 1) {
    fail(name, ": wanted input >= 1, hidden >= 1 and layers >= 1; got ", o.input, ", ", o.hidden,
         " and ", o.layers);
  }
  if (!(o.dropout >= 0 && o.dropout < 1)) {
    fail(name, ": wanted 0 <= dropout < 1; got ", o.dropout);
  }
  if (o.dropout > 0 && o.layers == 1) {
    fail(name, ": dropout is between layers: wanted layers >= 2; got 1 and dropout ", o.dropout);
  }
  return o;
}

/// The i-th rows of the states, or of none.
RecurrentState part_of(const RecurrentState& states, int64_t i) {
  const auto of = [i](const Tensor& all) { return all.defined() ? select(all, 0, i) : all; };
  return {of(states.hidden), of(states.cell)};
}

/// States [count, B, hidden] of which each part is given by f(i, &part).
class States {
 public:
  void add(const RecurrentState& one) {
    hidden_.push_back(one.hidden);
    if (one.cell.defined()) cells_.push_back(one.cell);
  }
  RecurrentState stacked() const {
    return {stack(hidden_, 0), cells_.empty() ? Tensor() : stack(cells_, 0)};
  }
  RecurrentState joined() const {
    return {concat(hidden_, 0), cells_.empty() ? Tensor() : concat(cells_, 0)};
  }

 private:
  Tensors hidden_, cells_;
};

}  // namespace

RecurrentDirection::RecurrentDirection(const Options& options, Rng& rng) : options_(options) {
  configure_with_layers(detail::values_of(options));
  const int64_t hidden = options.hidden, rows = gates_of(options.kind) * hidden;
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));
  const auto initial = [&](const Shape& shape) { return rng.uniform(shape, -bound, bound); };
  weight_ih = parameter("weight_ih", initial({rows, options.input}));
  weight_hh = parameter("weight_hh", initial({rows, hidden}));
  if (!options.bias) return;
  bias_ih = parameter("bias_ih", initial({rows}));
  bias_hh = parameter("bias_hh", initial({rows}));
}

Tensor RecurrentDirection::operator()(const Tensor& x, const RecurrentCallOptions& how) const {
  return call(x, [&] {
    const RecurrentWeights weights{weight_ih, weight_hh, bias_ih, bias_hh};
    const RecurrentOptions options{how.lengths, options_.reverse, options_.nonlinearity};
    const RecurrentResult result =
        options_.kind == RecurrentKind::rnn    ? rnn(x, weights, how.initial, options)
        : options_.kind == RecurrentKind::lstm ? lstm(x, weights, how.initial, options)
                                               : gru(x, weights, how.initial, options);
    if (how.last != nullptr) *how.last = result.last;
    return result.output;
  });
}

namespace {

RecurrentDirection::Options reversed(RecurrentDirection::Options options) {
  options.reverse = true;
  return options;
}

}  // namespace

RecurrentLayer::RecurrentLayer(RecurrentDirection::Options options, bool bidirectional, Rng& rng)
    : forward(child("forward", RecurrentDirection(options, rng))) {
  if (bidirectional) backward = child("backward", RecurrentDirection(reversed(options), rng));
}

Tensor RecurrentLayer::operator()(const Tensor& x, const RecurrentCallOptions& how) const {
  return call(x, [&] {
    States last;
    const auto run = [&](const RecurrentDirection& direction, int64_t i) {
      RecurrentState state;
      const Tensor y = direction(x, {how.lengths, part_of(how.initial, i), &state});
      if (how.last != nullptr) last.add(state);
      return y;
    };
    Tensor y = run(forward, 0);
    if (backward) {
      const Tensor back = run(*backward, 1);
      y = concat({y, back}, -1);
    }
    if (how.last != nullptr) *how.last = last.stacked();
    return y;
  });
}

RecurrentStack::RecurrentStack(const char* name, RecurrentKind kind,
                               const RecurrentStackOptions& options, Rng& rng,
                               RnnNonlinearity nonlinearity)
    : dropout(child("dropout", Dropout(checked(name, options).dropout, rng))),
      name_(name),
      kind_(kind),
      options_(options) {
  configure_with_layers(detail::values_of(RNNOptions{options.input, options.hidden, options.layers,
                                                     options.bidirectional, options.dropout,
                                                     options.bias, nonlinearity}));
  const int64_t directions = options.bidirectional ? 2 : 1;
  for (int64_t i = 0; i < options.layers; ++i) {
    const int64_t input = i == 0 ? options.input : directions * options.hidden;
    layers.push_back(
        child("layers." + std::to_string(i),
              RecurrentLayer({kind, input, options.hidden, options.bias, false, nonlinearity},
                             options.bidirectional, rng)));
  }
}

void RecurrentStack::check_state(const char* argument, const Tensor& state, const Tensor& x) const {
  if (!state.defined()) return;
  const int64_t parts = options_.layers * (options_.bidirectional ? 2 : 1);
  const Shape wanted{parts, x.size(0), options_.hidden};
  if (state.shape() == wanted) return;
  fail(name_, ": wanted an initial ", argument, " ", wanted, ", for each layer",
       options_.bidirectional ? " and direction" : "", " one, for x ", x.shape(), "; got ",
       state.shape());
}

void RecurrentStack::check(const Tensor& x, const RecurrentCallOptions& how) const {
  if (!x.defined() || x.rank() != 3 || x.size(2) != options_.input) {
    fail(name_, ": wanted x [B, T, ", options_.input, "]; got ",
         x.defined() ? x.shape().str() : "an undefined one");
  }
  check_state("hidden state", how.initial.hidden, x);
  check_state("cell", how.initial.cell, x);
}

Tensor RecurrentStack::operator()(const Tensor& x, const RecurrentCallOptions& how) const {
  return call(x, [&] {
    check(x, how);
    const int64_t directions = options_.bidirectional ? 2 : 1;
    const auto part = [&](const Tensor& all, int64_t i) {
      return all.defined() ? slice(all, 0, i * directions, (i + 1) * directions) : all;
    };
    States last;
    Tensor y = x;
    for (int64_t i = 0; i < options_.layers; ++i) {
      if (i > 0) y = dropout(y);
      RecurrentState state;
      y = layers[static_cast<size_t>(i)](y,
                                         {how.lengths,
                                          {part(how.initial.hidden, i), part(how.initial.cell, i)},
                                          how.last != nullptr ? &state : nullptr});
      if (how.last != nullptr) last.add(state);
    }
    if (how.last != nullptr) *how.last = last.joined();
    return y;
  });
}

}  // namespace rapt::nn
