#include "rapt/nn/recurrent/stack.h"

#include <gtest/gtest.h>

#include <limits>

#include "../../reference/reference.h"
#include "../../support/allocations.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/forward_hook.h"
#include "rapt/nn/recurrent/gru.h"
#include "rapt/nn/recurrent/lstm.h"
#include "rapt/nn/recurrent/rnn.h"
#include "rapt/optim/adam.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;
using tests::same_bits;
using tests::WithThreads;
using Names = std::vector<std::string>;

constexpr RecurrentKind kinds[] = {RecurrentKind::rnn, RecurrentKind::lstm, RecurrentKind::gru};

const char* name_of(RecurrentKind kind) {
  return kind == RecurrentKind::rnn ? "rnn" : kind == RecurrentKind::lstm ? "lstm" : "gru";
}

RecurrentStack made(RecurrentKind kind, const RecurrentStackOptions& o, Rng& rng) {
  switch (kind) {
    case RecurrentKind::rnn:
      return RNN({o.input, o.hidden, o.layers, o.bidirectional, o.dropout, o.bias}, rng);
    case RecurrentKind::lstm:
      return LSTM(o, rng);
    case RecurrentKind::gru:
      break;
  }
  return GRU(o, rng);
}

Tensor part(const NamedTensors& in, const char* name) {
  return in.contains(name) ? in[name] : Tensor();
}

/// All that a case stores.
NamedTensors outputs_of(const RecurrentStack& layer, const NamedTensors& in) {
  RecurrentState last;
  const Tensor y = layer(in["x"], {.lengths = part(in, "lengths"),
                                   .initial = {part(in, "hidden"), part(in, "cell")},
                                   .last = &last});
  const int64_t rows = y.size(0);
  NamedTensors out = {{"output", y}, {"hidden", last.hidden}};
  Tensors flat = {reshape(y, {rows, -1}), reshape(transpose(last.hidden, 0, 1), {rows, -1})};
  if (last.cell.defined()) {
    out.add("cell", last.cell);
    flat.push_back(reshape(transpose(last.cell, 0, 1), {rows, -1}));
  }
  out.add("y", concat(flat, 1));
  return out;
}

TEST(RecurrentStack, AgreesWithPyTorch) {
  Rng rng(1);
  struct Case {
    const char* name;
    RecurrentStackOptions options;
  };
  const RecurrentStackOptions both{.input = 4, .hidden = 6, .layers = 2, .bidirectional = true};
  for (const RecurrentKind kind : kinds) {
    for (const Case& c : {Case{"plain", {.input = 4, .hidden = 6}},
                          Case{"no_bias", {.input = 4, .hidden = 6, .bias = false}},
                          Case{"layers", {.input = 4, .hidden = 6, .layers = 3}},
                          Case{"bidirectional", both}, Case{"lengths", both}}) {
      reference::expect_as_pytorch(
          text(name_of(kind), ".", c.name), [&] { return made(kind, c.options, rng); }, outputs_of,
          "recurrent");
    }
  }
  reference::expect_as_pytorch(
      "rnn.relu",
      [&] {
        return RNN({.input = 4, .hidden = 6, .layers = 2, .nonlinearity = RnnNonlinearity::relu},
                   rng);
      },
      outputs_of, "recurrent");
}

TEST(RecurrentStack, HasTheRightGradients) {
  Rng rng(2);
  for (const RecurrentKind kind : kinds) {
    RecurrentStack layer =
        made(kind, {.input = 2, .hidden = 2, .layers = 2, .bidirectional = true}, rng);
    layer.to(Dtype::f64);
    std::vector<Tensor*> members;
    for (RecurrentLayer& one : layer.layers) {
      for (RecurrentDirection* d : {&one.forward, &*one.backward}) {
        for (Tensor* p : {&d->weight_ih, &d->weight_hh, &d->bias_ih, &d->bias_hh}) {
          members.push_back(p);
        }
      }
    }
    Tensors inputs = {rng.normal({2, 2, 2}, 0, 1, Dtype::f64),
                      rng.normal({4, 2, 2}, 0, 1, Dtype::f64)};
    const auto report = reference::check_layer(members, inputs, [&](const Tensors& in) {
      RecurrentState last;
      const Tensor y = layer(
          in[0], {.lengths = from_values<int64_t>({1, 2}), .initial = {in[1], {}}, .last = &last});
      return concat({reshape(y, {-1}), reshape(last.hidden, {-1})}, 0);
    });
    EXPECT_TRUE(report) << report.text;
  }
}

TEST(RecurrentStack, NamesItsParameters) {
  Rng rng(3);
  const LSTM layer({.input = 3, .hidden = 5, .layers = 2, .bidirectional = true}, rng);
  Names wanted;
  for (const char* at :
       {"layers.0.forward.", "layers.0.backward.", "layers.1.forward.", "layers.1.backward."}) {
    for (const char* p : {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}) {
      wanted.push_back(std::string(at) + p);
    }
  }
  EXPECT_EQ(reference::names(layer.parameters()), wanted);
  EXPECT_EQ(layer.layers[1].backward->weight_ih.shape(), (Shape{20, 10}));
  EXPECT_EQ(layer.layers[0].forward.weight_ih.shape(), (Shape{20, 3}));
  const GRU small({.input = 3, .hidden = 5, .bias = false}, rng);
  EXPECT_EQ(reference::names(small.parameters()),
            (Names{"layers.0.forward.weight_ih", "layers.0.forward.weight_hh"}));
}

TEST(RecurrentStack, WeightsStartUniform) {
  Rng rng(4);
  const GRU layer({.input = 9, .hidden = 25}, rng);
  for (const auto& [name, p] : layer.parameters()) {
    const double top = max(reshape(abs(p.detach()), {-1}), 0).item();
    EXPECT_LE(top, 0.2) << name;
    EXPECT_GT(top, 0.17) << name;
  }
}

struct Outcome {
  Tensors values, gradients;
};

Outcome outcome(const RecurrentStack& layer, const Tensor& given, const Tensor& lengths) {
  const Tensor x = given.detach().clone().set_requires_grad();
  RecurrentState last;
  const Tensor y = layer(x, {.lengths = lengths, .last = &last});
  Tensors leaves = {x};
  for (const auto& [name, p] : layer.parameters()) leaves.push_back(p);
  return {{y, last.hidden}, grad({sum(y * y), sum(last.hidden)}, leaves)};
}

void expect_same(const Tensors& a, const Tensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(same_bits(a[i], b[i])) << i;
}

RecurrentStack wide(RecurrentKind kind, Rng& rng, bool bidirectional = true) {
  return made(kind, {.input = 20, .hidden = 40, .layers = 2, .bidirectional = bidirectional}, rng);
}

TEST(RecurrentStack, HasTheSameBitsOnAnyNumberOfThreads) {
  Rng rng(5);
  for (const RecurrentKind kind : kinds) {
    const RecurrentStack layer = wide(kind, rng);
    // Long enough for every thread to have its part.
    const Tensor x = rng.normal({150, 16, 20}), lengths = rng.integers(0, 17, {150});
    const WithThreads one(1);
    const Outcome wanted = outcome(layer, x, lengths);
    for (const int threads : {2, 4}) {
      const WithThreads scope(threads);
      const Outcome found = outcome(layer, x, lengths);
      expect_same(found.values, wanted.values);
      expect_same(found.gradients, wanted.gradients);
    }
  }
}

TEST(RecurrentStack, ARowIsTheSameAloneInABatchAndPaddedWithNaN) {
  Rng rng(6);
  for (const RecurrentKind kind : kinds) {
    const RecurrentStack layer = wide(kind, rng);
    const Tensor x = rng.normal({19, 6, 20});
    const std::vector<int64_t> lengths = rng.integers(1, 7, {19}).values<int64_t>();
    const Tensor n = from_values(lengths);
    const Tensor there = unsqueeze(less(unsqueeze(arange(9), 0), unsqueeze(n, 1)), -1);
    const Tensor padded =
        where(there, concat({x, zeros({19, 3, 20})}, 1), std::numeric_limits<double>::quiet_NaN());
    const Outcome all = outcome(layer, x, n), more = outcome(layer, padded, n);
    EXPECT_TRUE(same_bits(slice(more.values[0], 1, 0, 6), all.values[0]));
    EXPECT_TRUE(same_bits(more.values[1], all.values[1]));
    EXPECT_TRUE(same_bits(slice(more.gradients[0], 1, 0, 6), all.gradients[0]));
    for (size_t i = 1; i < all.gradients.size(); ++i) {
      EXPECT_TRUE(same_bits(more.gradients[i], all.gradients[i])) << i;
    }
    for (const int64_t b : {0, 7, 18}) {
      const int64_t length = lengths[static_cast<size_t>(b)];
      const auto row = [&](const Tensor& t) { return slice(slice(t, 0, b, b + 1), 1, 0, length); };
      const Outcome one = outcome(layer, row(x), {});
      EXPECT_TRUE(same_bits(one.values[0], row(all.values[0])));
      EXPECT_TRUE(same_bits(one.values[1], slice(all.values[1], 1, b, b + 1)));
      EXPECT_TRUE(same_bits(one.gradients[0], row(all.gradients[0])));
    }
  }
}

TEST(RecurrentStack, StepByStepIsTheWhole) {
  Rng rng(7);
  for (const RecurrentKind kind : kinds) {
    const RecurrentStack layer = wide(kind, rng, false);
    const Tensor x = rng.normal({3, 5, 20});
    RecurrentState whole_end, state;
    const Tensor whole = layer(x, {.last = &whole_end});
    for (int64_t t = 0; t < 5; ++t) {
      const Tensor y = layer(slice(x, 1, t, t + 1), {.initial = state, .last = &state});
      EXPECT_TRUE(same_bits(y, slice(whole, 1, t, t + 1)));
    }
    EXPECT_TRUE(same_bits(state.hidden, whole_end.hidden));
    EXPECT_EQ(state.cell.defined(), kind == RecurrentKind::lstm);
    if (state.cell.defined()) {
      EXPECT_TRUE(same_bits(state.cell, whole_end.cell));
    }
  }
}

TEST(RecurrentStack, DropsBetweenLayersInTraining) {
  Rng rng(8);
  GRU layer({.input = 4, .hidden = 50, .layers = 2, .dropout = 0.5}, rng);
  const Tensor x = rng.normal({3, 5, 4});
  double zeros_seen = 0;
  {
    const ForwardHook hook(layer, [&](const LayerCall& call) -> Tensor {
      if (call.path == "dropout") {
        zeros_seen = 750 - static_cast<double>(count_nonzero(call.output).item());
      }
      return {};
    });
    layer(x);
  }
  EXPECT_NEAR(zeros_seen, 375, 70);
  EXPECT_FALSE(same_bits(layer(x), layer(x)));
  layer.eval();
  EXPECT_TRUE(same_bits(layer(x), layer(x)));
}

TEST(RecurrentStack, HooksSeeEveryLayerAndDirection) {
  Rng rng(9);
  const LSTM layer({.input = 4, .hidden = 5, .layers = 2, .bidirectional = true}, rng);
  Names seen;
  const ForwardHook hook(layer, [&](const LayerCall& call) -> Tensor {
    seen.push_back(call.path);
    return {};
  });
  layer(rng.normal({2, 3, 4}));
  EXPECT_EQ(seen, (Names{"layers.0.forward", "layers.0.backward", "layers.0", "dropout",
                         "layers.1.forward", "layers.1.backward", "layers.1", ""}));
}

TEST(RecurrentStack, Errors) {
  Rng rng(10);
  EXPECT_EQ(error_of([&] { LSTM({.input = 0, .hidden = 5}, rng); }),
            "LSTM: wanted input >= 1, hidden >= 1 and layers >= 1; got 0, 5 and 1");
  EXPECT_EQ(error_of([&] { GRU({.input = 2, .hidden = 5, .layers = 2, .dropout = 1}, rng); }),
            "GRU: wanted 0 <= dropout < 1; got 1");
  EXPECT_EQ(error_of([&] { RNN({.input = 2, .hidden = 5, .dropout = 0.5}, rng); }),
            "RNN: dropout is between layers: wanted layers >= 2; got 1 and dropout 0.5");
  const LSTM layer({.input = 2, .hidden = 5, .layers = 2, .bidirectional = true}, rng);
  EXPECT_EQ(error_of([&] { layer(zeros({2, 3, 4})); }), "LSTM: wanted x [B, T, 2]; got [2, 3, 4]");
  EXPECT_EQ(error_of([&] { layer(Tensor()); }), "LSTM: wanted x [B, T, 2]; got an undefined one");
  const Tensor x = zeros({3, 4, 2});
  EXPECT_EQ(error_of([&] {
              layer(x, {.initial = {zeros({2, 3, 5})}});
            }),
            "LSTM: wanted an initial hidden state [4, 3, 5], for each layer and direction one, for "
            "x [3, 4, 2]; got [2, 3, 5]");
  EXPECT_EQ(error_of([&] {
              layer(x, {.initial = {{}, zeros({4, 3, 6})}});
            }),
            "LSTM: wanted an initial cell [4, 3, 5], for each layer and direction one, for x "
            "[3, 4, 2]; got [4, 3, 6]");
  EXPECT_EQ(error_of([&] {
              layer(x, {.lengths = from_values<int64_t>({1, 2, 5})});
            }),
            "lstm: wanted lengths from 0 to 4, the T of x [3, 4, 2]; got 5 (in layers.0.forward)");
}

// The first steps fill the pool.
TEST(RecurrentStack, ASteadyTrainingStepAllocatesNothing) {
  for (const int threads : {1, 2}) {
    const WithThreads scope(threads);
    for (const RecurrentKind kind : kinds) {
      Rng rng(11);
      RecurrentStack layer = made(
          kind, {.input = 20, .hidden = 40, .layers = 2, .bidirectional = true, .dropout = 0.1},
          rng);
      const NamedTensors parameters = layer.parameters();
      optim::Adam adam(parameters);
      const Tensor x = rng.normal({24, 8, 20}), lengths = rng.integers(0, 9, {24});
      int quiet = 0;
      for (int i = 0; i < 200 && quiet < 10; ++i) {
        const int64_t before = tests::heap_allocations();
        RecurrentState last;
        const Tensor y = layer(x, {.lengths = lengths, .last = &last});
        const Tensor loss = sum(y * y) + sum(last.hidden);
        adam.zero_grad();
        loss.backward();
        adam.step();
        quiet = tests::heap_allocations() == before ? quiet + 1 : 0;
      }
      EXPECT_EQ(quiet, 10) << name_of(kind) << " on " << threads << " threads";
    }
  }
}

}  // namespace
}  // namespace rapt::nn
