// rnn, lstm and gru: beside their formulas row by row, and what is promised of their bits.
// (PyTorch's values: reference_test.cpp.)

#include "rapt/autograd/ops/recurrent.h"

#include <gtest/gtest.h>

#include <limits>

#include "../support/definitions.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;
using tests::expect_as_defined;
using tests::same_bits;
using tests::WithThreads;
using In = const Tensors&;

enum class Kind { rnn, relu, lstm, gru };
constexpr Kind kinds[] = {Kind::rnn, Kind::relu, Kind::lstm, Kind::gru};

int64_t gates_of(Kind kind) { return kind == Kind::lstm ? 4 : kind == Kind::gru ? 3 : 1; }

RecurrentResult run(Kind kind, In x, RecurrentOptions options = {}) {
  const auto at = [&](size_t i) { return i < x.size() ? x[i] : Tensor(); };
  const RecurrentWeights weights{x[1], x[2], at(3), at(4)};
  switch (kind) {
    case Kind::relu:
      options.nonlinearity = RnnNonlinearity::relu;
      [[fallthrough]];
    case Kind::rnn:
      return rnn(x[0], weights, {at(5)}, options);
    case Kind::lstm:
      return lstm(x[0], weights, {at(5), at(6)}, options);
    case Kind::gru:
      return gru(x[0], weights, {at(5)}, options);
  }
  return {};
}

/// All outputs as one tensor: [B, T + 1 or 2, hidden].
Tensor joined(const RecurrentResult& r) {
  Tensors all = {r.output, unsqueeze(r.last.hidden, 1)};
  if (r.last.cell.defined()) all.push_back(unsqueeze(r.last.cell, 1));
  return concat(all, 1);
}

Tensor row_matrix(const Tensor& w, const Tensor& b, const Tensor& x) {
  return matmul(x, transpose(w)) + b;
}

/// One row, x [T, in], token by token: the formulas of recurrent.h, part by part.
Tensor plain_row(Kind kind, In all, int64_t row, int64_t length, bool reverse) {
  const Tensor x = select(all[0], 0, row);
  const int64_t n = all[2].size(1), steps = x.size(0);
  const auto part = [&](size_t i, int64_t gate) {
    return slice(all[i], 0, gate * n, (gate + 1) * n);
  };
  Tensor h = select(all[5], 0, row), c = kind == Kind::lstm ? select(all[6], 0, row) : Tensor();
  Tensors outputs(static_cast<size_t>(length));
  for (int64_t i = 0; i < length; ++i) {
    const int64_t t = reverse ? length - 1 - i : i;
    const Tensor now = select(x, 0, t);
    const auto of_x = [&](int64_t gate) { return row_matrix(part(1, gate), part(3, gate), now); };
    const auto of_h = [&](int64_t gate) { return row_matrix(part(2, gate), part(4, gate), h); };
    const auto z = [&](int64_t gate) { return of_x(gate) + of_h(gate); };
    if (kind == Kind::rnn) h = tanh(z(0));
    if (kind == Kind::relu) h = relu(z(0));
    if (kind == Kind::lstm) {
      c = sigmoid(z(1)) * c + sigmoid(z(0)) * tanh(z(2));
      h = sigmoid(z(3)) * tanh(c);
    }
    if (kind == Kind::gru) {
      const Tensor update = sigmoid(z(1)), fresh = tanh(of_x(2) + sigmoid(z(0)) * of_h(2));
      h = fresh + update * (h - fresh);
    }
    outputs[static_cast<size_t>(t)] = h;
  }
  for (int64_t t = length; t < steps; ++t) outputs.push_back(zeros({n}, x.dtype()));
  outputs.push_back(h);
  if (c.defined()) outputs.push_back(c);
  return stack(outputs, 0);
}

Tensor plain(Kind kind, In x, const std::vector<int64_t>& lengths, bool reverse) {
  Tensors rows;
  for (int64_t b = 0; b < x[0].size(0); ++b) {
    rows.push_back(plain_row(kind, x, b, lengths[static_cast<size_t>(b)], reverse));
  }
  return stack(rows, 0);
}

/// x, weights, biases and states.
Tensors inputs_of(Kind kind, const Shape& x, int64_t hidden, Dtype dtype = Dtype::f32,
                  uint64_t seed = 1) {
  Rng rng(seed);
  const int64_t wide = gates_of(kind) * hidden;
  const double size = 1 / std::sqrt(static_cast<double>(hidden));
  Tensors out = {rng.normal(x, 0, 1, dtype),
                 rng.normal({wide, x[2]}, 0, size, dtype),
                 rng.normal({wide, hidden}, 0, size, dtype),
                 rng.normal({wide}, 0, 1, dtype),
                 rng.normal({wide}, 0, 1, dtype),
                 rng.normal({x[0], hidden}, 0, 1, dtype)};
  if (kind == Kind::lstm) out.push_back(rng.normal({x[0], hidden}, 0, 1, dtype));
  return out;
}

std::vector<int64_t> drawn_lengths(int64_t rows, int64_t steps, uint64_t seed = 5) {
  Rng rng(seed);
  return rng.integers(0, steps + 1, {rows}).values<int64_t>();
}

TEST(Recurrent, IsAsDefined) {
  struct Size {
    Shape x;
    int64_t hidden;
  };
  // On both sides of a vector, a group of rows and a tile.
  for (const Size& size : {Size{{2, 3, 2}, 3}, Size{{5, 4, 3}, 16}, Size{{19, 5, 7}, 33}}) {
    for (const Kind kind : kinds) {
      for (const bool reverse : {false, true}) {
        for (const bool padded : {false, true}) {
          const int64_t rows = size.x[0], steps = size.x[1];
          SCOPED_TRACE(text("kind ", static_cast<int>(kind), ", x ", size.x, reverse, padded));
          const std::vector<int64_t> lengths =
              padded ? drawn_lengths(rows, steps)
                     : std::vector<int64_t>(static_cast<size_t>(rows), steps);
          const RecurrentOptions options{.lengths = padded ? from_values(lengths) : Tensor(),
                                         .reverse = reverse};
          expect_as_defined([&](In x) { return joined(run(kind, x, options)); },
                            [&](In x) { return plain(kind, x, lengths, reverse); },
                            inputs_of(kind, size.x, size.hidden, Dtype::f64), 5e-5);
        }
      }
    }
  }
}

/// Outputs, and the gradients of a function of them.
struct Outcome {
  Tensors values, gradients;
};

Outcome outcome(Kind kind, const Tensors& given, const RecurrentOptions& options) {
  Tensors leaves;
  for (const Tensor& x : given) leaves.push_back(x.detach().clone().set_requires_grad());
  const RecurrentResult r = run(kind, leaves, options);
  Outcome out;
  out.values = {r.output, r.last.hidden};
  if (r.last.cell.defined()) out.values.push_back(r.last.cell);
  Tensors cotangents;
  for (const Tensor& y : out.values) {
    // The same for a token or a row wherever it stands.
    cotangents.push_back(cos(y.detach() * 3.0));
  }
  out.gradients = grad(out.values, leaves, {.cotangents = cotangents});
  return out;
}

void expect_same(const Tensors& a, const Tensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(same_bits(a[i], b[i])) << i;
}

TEST(Recurrent, HasTheSameBitsOnAnyNumberOfThreads) {
  for (const Kind kind : kinds) {
    // Long enough for every thread to have its part.
    const Tensors x = inputs_of(kind, {150, 20, 20}, 100);
    const RecurrentOptions options{.lengths = from_values(drawn_lengths(150, 20))};
    const WithThreads one(1);
    const Outcome wanted = outcome(kind, x, options);
    for (const int threads : {2, 4}) {
      const WithThreads scope(threads);
      const Outcome found = outcome(kind, x, options);
      expect_same(found.values, wanted.values);
      expect_same(found.gradients, wanted.gradients);
    }
  }
}

// Gradients of x and of the states too; those of the weights are sums over the batch.
TEST(Recurrent, ARowHasTheSameBitsAloneAndAmongOthers) {
  for (const Kind kind : kinds) {
    for (const bool reverse : {false, true}) {
      const int64_t rows = 37, steps = 7;
      const Tensors x = inputs_of(kind, {rows, steps, 20}, 50);
      const std::vector<int64_t> lengths = drawn_lengths(rows, steps);
      const Outcome all = outcome(kind, x, {from_values(lengths), reverse});
      for (const int64_t b : {0, 5, 18, 36}) {
        SCOPED_TRACE(text("kind ", static_cast<int>(kind), ", row ", b));
        const int64_t n = lengths[static_cast<size_t>(b)];
        Tensors alone = x;
        for (const size_t i : {size_t{0}, size_t{5}, size_t{6}}) {
          if (i < x.size()) alone[i] = slice(x[i], 0, b, b + 1);
        }
        alone[0] = slice(alone[0], 1, 0, n);
        const Outcome one = outcome(kind, alone, {{}, reverse});
        const auto row = [&](const Tensor& t) { return slice(t, 0, b, b + 1); };
        EXPECT_TRUE(same_bits(slice(row(all.values[0]), 1, 0, n), one.values[0]));
        EXPECT_EQ(count_nonzero(slice(row(all.values[0]), 1, n, steps)).item(), 0);
        EXPECT_TRUE(same_bits(slice(row(all.gradients[0]), 1, 0, n), one.gradients[0]));
        EXPECT_EQ(count_nonzero(slice(row(all.gradients[0]), 1, n, steps)).item(), 0);
        for (size_t i = 1; i < one.values.size(); ++i) {
          EXPECT_TRUE(same_bits(row(all.values[i]), one.values[i]));
        }
        for (size_t i = 5; i < one.gradients.size(); ++i) {
          EXPECT_TRUE(same_bits(row(all.gradients[i]), one.gradients[i]));
        }
      }
    }
  }
}

// Whatever is there, NaN or a number, and however much of it.
TEST(Recurrent, PaddingHasNoSay) {
  for (const Kind kind : kinds) {
    for (const bool reverse : {false, true}) {
      const Tensors x = inputs_of(kind, {6, 5, 20}, 18);
      const std::vector<int64_t> lengths = {3, 5, 0, 1, 4, 2};
      const Outcome wanted = outcome(kind, x, {from_values(lengths), reverse});
      Tensors padded = x;
      padded[0] = concat({x[0], ones({6, 3, 20})}, 1);
      const Tensor there =
          unsqueeze(less(unsqueeze(arange(8), 0), unsqueeze(from_values(lengths), 1)), -1);
      padded[0] = where(there, padded[0], std::numeric_limits<double>::quiet_NaN());
      const Outcome found = outcome(kind, padded, {from_values(lengths), reverse});
      EXPECT_TRUE(same_bits(slice(found.values[0], 1, 0, 5), wanted.values[0]));
      EXPECT_TRUE(same_bits(slice(found.gradients[0], 1, 0, 5), wanted.gradients[0]));
      EXPECT_EQ(count_nonzero(slice(found.gradients[0], 1, 5, 8)).item(), 0);
      for (size_t i = 1; i < found.values.size(); ++i) {
        EXPECT_TRUE(same_bits(found.values[i], wanted.values[i]));
      }
      for (size_t i = 1; i < found.gradients.size(); ++i) {
        EXPECT_TRUE(same_bits(found.gradients[i], wanted.gradients[i])) << i;
      }
    }
  }
}

// What arrives for the padding of the output has no say either.
TEST(Recurrent, NaNThatArrivesForPaddingHasNoSay) {
  for (const Kind kind : kinds) {
    for (const bool create_graph : {false, true}) {
      Tensors x = inputs_of(kind, {2, 3, 4}, 5);
      for (Tensor& leaf : x) leaf.set_requires_grad();
      const Tensor y = run(kind, x, {.lengths = from_values<int64_t>({1, 3})}).output;
      const auto gradients = [&](double in_padding) {
        Tensor g = ones(y.shape());
        for (Tensor part : {slice(select(g, 0, 0), 0, 1, 3)}) {
          part.copy_from(full(part.shape(), in_padding));
        }
        return grad({y}, x,
                    {.create_graph = create_graph,
                     .retain_graph = true,
                     .allow_unused = true,
                     .cotangents = {g}});
      };
      expect_same(gradients(std::numeric_limits<double>::quiet_NaN()), gradients(1));
    }
  }
}

TEST(Recurrent, StepByStepIsTheWhole) {
  for (const Kind kind : kinds) {
    const Tensors x = inputs_of(kind, {3, 6, 20}, 40);
    const RecurrentResult whole = run(kind, x);
    Tensors now = x;
    for (const int64_t at : {0, 1, 2, 5}) {  // pieces of 1, 1, 3 and 1
      const int64_t end = at == 2 ? 5 : at + 1;
      now[0] = slice(x[0], 1, at, end);
      const RecurrentResult part = run(kind, now);
      EXPECT_TRUE(same_bits(part.output, slice(whole.output, 1, at, end)));
      now[5] = part.last.hidden;
      if (kind == Kind::lstm) now[6] = part.last.cell;
    }
    EXPECT_TRUE(same_bits(now[5], whole.last.hidden));
    if (kind == Kind::lstm) {
      EXPECT_TRUE(same_bits(now[6], whole.last.cell));
    }
  }
}

TEST(Recurrent, NoStateIsAStateOfZeros) {
  for (const Kind kind : kinds) {
    Tensors x = inputs_of(kind, {3, 4, 5}, 20);
    for (size_t i = 5; i < x.size(); ++i) x[i] = zeros({3, 20});
    const Tensors without(x.begin(), x.begin() + 5);
    EXPECT_TRUE(same_bits(joined(run(kind, without)), joined(run(kind, x))));
  }
}

// A batch cut at whole blocks of 256 tokens: docs/same-bits.md.
TEST(Recurrent, GradientsOfMicroBatchesAreTheWholeBatchs) {
  for (const Kind kind : kinds) {
    Tensors x = inputs_of(kind, {16, 64, 20}, 24);
    const Tensor g = Rng(3).normal({16, 64, 24});
    const auto gathered = [&](int64_t part) {
      for (size_t i = 1; i < 5; ++i) x[i].set_requires_grad().clear_grad();
      for (int64_t b = 0; b < 16; b += part) {
        Tensors some = x;
        for (const size_t i : {size_t{0}, size_t{5}, size_t{6}}) {
          if (i < x.size()) some[i] = slice(x[i], 0, b, b + part);
        }
        run(kind, some).output.backward(slice(g, 0, b, b + part));
      }
      Tensors out;
      for (size_t i = 1; i < 5; ++i) out.push_back(x[i].grad().clone());
      return out;
    };
    const Tensors wanted = gathered(16);
    expect_same(gathered(8), wanted);
    expect_same(gathered(4), wanted);
  }
}

TEST(Recurrent, OneNodeForAllOutputs) {
  Tensors x = inputs_of(Kind::lstm, {2, 3, 4}, 5, Dtype::f64);
  for (Tensor& leaf : x) leaf.set_requires_grad();
  const RecurrentResult r = run(Kind::lstm, x);
  // Any of the outputs alone, and all of them, in one walk or in several.
  const Tensors outputs = {r.output, r.last.hidden, r.last.cell};
  const Tensors all =
      grad({sum(outputs[0]) + sum(outputs[1]) + sum(outputs[2])}, x, {.retain_graph = true});
  Tensors added;
  for (const Tensor& y : outputs) {
    const Tensors one = grad({sum(y)}, x, {.retain_graph = true});
    for (size_t i = 0; i < x.size(); ++i) {
      if (added.size() <= i) {
        added.push_back(one[i]);
      } else {
        added[i] = added[i] + one[i];
      }
    }
  }
  for (size_t i = 0; i < x.size(); ++i) EXPECT_TRUE(close(added[i], all[i], 1e-12));
}

TEST(Recurrent, Errors) {
  const Tensors x = inputs_of(Kind::lstm, {2, 3, 4}, 5);
  const RecurrentWeights w{x[1], x[2], x[3], x[4]};
  EXPECT_EQ(error_of([&] { lstm(select(x[0], 0, 0), w); }),
            "lstm: wanted x [B, T, in]; got [3, 4]");
  EXPECT_EQ(error_of([&] { gru(x[0], w); }),
            "gru: wanted weight_hh [3 hidden, hidden]; got [20, 5]");
  EXPECT_EQ(error_of([&] {
              lstm(zeros({2, 3, 7}), w);
            }),
            "lstm: wanted weight_ih [20, 7] for x [2, 3, 7] and weight_hh [20, 5]; got [20, 4]");
  EXPECT_EQ(error_of([&] {
              lstm(x[0], {x[1], x[2], zeros({5})});
            }),
            "lstm: wanted bias_ih [20], the first axis of weight_hh [20, 5]; got [5]");
  EXPECT_EQ(error_of([&] {
              lstm(x[0], w, {zeros({3, 5})});
            }),
            "lstm: wanted an initial hidden state [2, 5], a row for each of x [2, 3, 4]; got "
            "[3, 5]");
  EXPECT_EQ(error_of([&] {
              lstm(x[0], w, {{}, zeros({2, 4})});
            }),
            "lstm: wanted an initial cell [2, 5], a row for each of x [2, 3, 4]; got [2, 4]");
  EXPECT_EQ(error_of([&] {
              lstm(x[0], w, {}, {.lengths = from_values<int64_t>({1, 4})});
            }),
            "lstm: wanted lengths from 0 to 3, the T of x [2, 3, 4]; got 4");
  EXPECT_EQ(error_of([&] { lstm(x[0], w, {}, {.lengths = from_values<int64_t>({1})}); }),
            "lstm: wanted lengths [2], one for each row of x [2, 3, 4]; got [1]");
  EXPECT_EQ(error_of([&] { lstm(x[0], w, {}, {.nonlinearity = RnnNonlinearity::relu}); }),
            "lstm: wanted no nonlinearity, which rnn alone has; got relu");
  const Tensors y = inputs_of(Kind::gru, {2, 3, 4}, 5);
  EXPECT_EQ(error_of([&] {
              gru(y[0], {y[1], y[2]}, {{}, zeros({2, 5})});
            }),
            "gru: wanted an initial state without a cell, which lstm alone has; got [2, 5]");
}

}  // namespace
}  // namespace rapt
