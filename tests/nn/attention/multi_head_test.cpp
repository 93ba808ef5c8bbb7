#include "rapt/nn/attention/multi_head.h"

#include <gtest/gtest.h>

#include <limits>

#include "../../reference/reference.h"
#include "rapt/autograd/ops.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;
using tests::same_bits;
using Names = std::vector<std::string>;

Tensor lengths_of(std::vector<int64_t> lengths) { return from_values(lengths); }

Tensor b8(std::vector<bool> values, const Shape& shape) { return from_values(values, shape); }

TEST(MultiHeadAttention, SelfAttentionAgreesWithPyTorch) {
  Rng rng(1);
  const auto make = [&] { return MultiHeadAttention({.width = 12, .heads = 3}, rng); };
  struct Case {
    const char* name;
    bool causal, padding;
  };
  for (const Case& c : {Case{"plain", false, false}, Case{"causal", true, false},
                        Case{"padding", false, true}, Case{"both", true, true}}) {
    reference::expect_as_pytorch(
        std::string("attention.") + c.name, make,
        [&](const MultiHeadAttention& layer, const NamedTensors& in) {
          Tensor weights;
          const Mask padding = c.padding ? Mask::lengths(in["lengths"]) : Mask();
          const Mask mask = (c.causal ? Mask::causal() : Mask()) & padding;
          const Tensor y = layer(in["x"], {.mask = mask, .weights = &weights});
          return NamedTensors{{"y", y}, {"weights", weights}};
        });
  }
}

TEST(MultiHeadAttention, AMaskAsATensorIsTheSame) {
  Rng rng(1);
  reference::expect_as_pytorch(
      "attention.both", [&] { return MultiHeadAttention({.width = 12, .heads = 3}, rng); },
      [&](const MultiHeadAttention& layer, const NamedTensors& in) {
        Tensor weights;
        const Tensor& n = in["lengths"];
        const Mask both = Mask::causal() & Mask::lengths(n);
        const Tensor mask = both.allowed({n.size(0), 1}, 5, 5);
        const Tensor y = layer(in["x"], {.mask = mask, .weights = &weights});
        return NamedTensors{{"y", y}, {"weights", weights}};
      });
}

// PyTorch's key_padding_mask is [B, Tk], which broadcasting would read as [Tq, Tk] when B == Tq,
// and a [B, Tq, Tk] as one for each head when B == H.
TEST(MultiHeadAttention, AMaskWithoutAllItsAxesSaysWhichTheyAre) {
  Rng rng(1);
  const MultiHeadAttention layer({.width = 6, .heads = 3}, rng);
  const Tensor x = rng.normal({3, 3, 6});
  const Tensor two = b8({1, 0, 0, 1, 1, 0, 1, 1, 1}, {3, 3}), three = rng.bernoulli(0.7, {3, 3, 3});
  EXPECT_TRUE(same_bits(layer(x, {.mask = Mask::keys(two)}),
                        layer(x, {.mask = Mask::lengths(lengths_of({1, 2, 3}))})));
  EXPECT_TRUE(same_bits(layer(x, {.mask = Mask::pairs(two)}),
                        layer(x, {.mask = reshape(two, {1, 1, 3, 3})})));
  EXPECT_TRUE(
      same_bits(layer(x, {.mask = Mask::pairs(three)}), layer(x, {.mask = unsqueeze(three, 1)})));
  for (const Tensor& mask : {two, three, two[0], zeros({3, 3})}) {
    const std::string wanted =
        text("MultiHeadAttention: wanted a mask [B, H, Tq, Tk], 1 where all share it; got ",
             mask.dtype(), mask.shape(), " (Mask::keys takes [B, Tk], Mask::pairs [Tq, Tk] or ",
             "[B, Tq, Tk])");
    EXPECT_EQ(error_of([&] { layer(x, {.mask = Mask::causal() & Mask(mask)}); }), wanted);
    EXPECT_EQ(error_of([&] { layer(x, x, {.mask = mask}); }), wanted);
  }
}

TEST(MultiHeadAttention, CrossAttentionAgreesWithPyTorch) {
  Rng rng(2);
  reference::expect_as_pytorch(
      "attention.cross",
      [&] { return MultiHeadAttention({.width = 12, .heads = 3, .memory_width = 8}, rng); },
      [](const MultiHeadAttention& layer, const NamedTensors& in) {
        Tensor weights;
        const Tensor y = layer(in["x"], in["memory"], {.mask = in["mask"], .weights = &weights});
        return NamedTensors{{"y", y}, {"weights", weights}};
      });
}

/// The layer in plain ops, head by head.
Tensor by_definition(const MultiHeadAttention& layer, const Tensor& x, const Tensor& memory,
                     int64_t heads, const Tensor& mask, const RotaryOptions* rotary_options) {
  const auto map = [](const Linear& m, const Tensor& t) {
    const Tensor y = matmul(t, transpose(m.weight));
    return m.bias.defined() ? y + m.bias : y;
  };
  const Tensor q = map(layer.query, x), k = map(layer.key, memory), v = map(layer.value, memory);
  const int64_t d = q.size(-1) / heads;
  Tensors parts;
  for (int64_t h = 0; h < heads; ++h) {
    Tensor qh = slice(q, -1, h * d, (h + 1) * d), kh = slice(k, -1, h * d, (h + 1) * d);
    if (rotary_options) {
      qh = rotary(qh, *rotary_options);
      kh = rotary(kh, *rotary_options);
    }
    Tensor scores = matmul(qh, transpose(kh)) / std::sqrt(static_cast<double>(d));
    if (mask.defined()) {
      scores = masked_fill(scores, logical_not(mask), -std::numeric_limits<double>::infinity());
    }
    const Tensor e = exp(scores - max(scores, {-1}, {.keepdim = true}));
    parts.push_back(matmul(e / sum(e, {-1}, {.keepdim = true}), slice(v, -1, h * d, (h + 1) * d)));
  }
  return map(layer.output, concat(parts, -1));
}

TEST(MultiHeadAttention, IsItsDefinition) {
  Rng rng(3);
  const Tensor x = rng.normal({2, 4, 8});
  const Tensor mask = b8({1, 0, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1}, {4, 4});
  for (const bool bias : {true, false}) {
    const MultiHeadAttention layer({.width = 8, .heads = 2, .bias = bias}, rng);
    EXPECT_TRUE(close(layer(x), by_definition(layer, x, x, 2, {}, nullptr), 1e-5));
    EXPECT_TRUE(close(layer(x, {.mask = Mask::pairs(mask)}),
                      by_definition(layer, x, x, 2, mask, nullptr), 1e-5));
    const Tensor memory = rng.normal({2, 3, 8});
    EXPECT_TRUE(close(layer(x, memory), by_definition(layer, x, memory, 2, {}, nullptr), 1e-5));
  }
}

TEST(MultiHeadAttention, TurnsQueriesAndKeysWhenRotary) {
  Rng rng(4);
  const MultiHeadAttention layer(
      {.width = 8, .heads = 2, .positions = AttentionPositions::rotary()}, rng);
  const Tensor x = rng.normal({2, 4, 8});
  const RotaryOptions options;
  EXPECT_TRUE(close(layer(x), by_definition(layer, x, x, 2, {}, &options), 1e-5));
  EXPECT_FALSE(close(layer(x), by_definition(layer, x, x, 2, {}, nullptr), 1e-5));
  EXPECT_EQ(error_of([&] { layer(x, x); }),
            "MultiHeadAttention: positions and windows are for self-attention only");
}

TEST(MultiHeadAttention, TakesAMaskThatIsAddedToTheScores) {
  Rng rng(5);
  const MultiHeadAttention layer({.width = 8, .heads = 2}, rng);
  const Tensor x = rng.normal({2, 4, 8});
  const double minus_infinity = -std::numeric_limits<double>::infinity();
  const Tensor added =
      masked_fill(zeros({4, 4}), logical_not(Mask::causal().allowed({}, 4, 4)), minus_infinity);
  EXPECT_TRUE(
      close(layer(x, {.mask = Mask::pairs(added)}), layer(x, {.mask = Mask::causal()}), 1e-6));
}

TEST(MultiHeadAttention, ShowsTheWeightsOfEachHead) {
  Rng rng(6);
  const MultiHeadAttention layer({.width = 8, .heads = 4}, rng);
  Tensor weights;
  layer(rng.normal({2, 3, 8}), rng.normal({2, 5, 8}), {.weights = &weights});
  EXPECT_EQ(weights.shape(), (Shape{2, 4, 3, 5}));
  EXPECT_TRUE(close(sum(weights, {-1}), ones({2, 4, 3}), 1e-6));
}

TEST(MultiHeadAttention, AQueryThatMayAttendToNothingGetsTheBias) {
  Rng rng(7);
  const MultiHeadAttention layer({.width = 8, .heads = 2}, rng);
  Tensor x = rng.normal({2, 3, 8});
  x.set_requires_grad();
  Tensor weights;
  const Tensor y = layer(x, {.mask = Mask::lengths(lengths_of({3, 0})), .weights = &weights});
  EXPECT_TRUE(close(select(y, 0, 1), expand(layer.output.bias, {3, 8}), 0));
  EXPECT_EQ(max(abs(select(weights, 0, 1))).item(), 0);
  sum(y).backward();
  EXPECT_EQ(max(abs(select(x.grad(), 0, 1))).item(), 0);
  EXPECT_GT(max(abs(select(x.grad(), 0, 0))).item(), 0);
}

TEST(MultiHeadAttention, WorksOnOneTokenAndOnNone) {
  Rng rng(8);
  const MultiHeadAttention layer({.width = 8, .heads = 2}, rng);
  const Tensor x = rng.normal({2, 1, 8});
  EXPECT_TRUE(close(layer(x, {.mask = Mask::causal()}), layer.output(layer.value(x)), 1e-6));
  EXPECT_EQ(layer(zeros({2, 0, 8})).shape(), (Shape{2, 0, 8}));
  EXPECT_EQ(layer(zeros({0, 3, 8})).shape(), (Shape{0, 3, 8}));
}

TEST(MultiHeadAttention, DropsWeightsInTrainingOnly) {
  Rng rng(9);
  MultiHeadAttention layer({.width = 8, .heads = 2, .dropout = 0.5}, rng);
  const Tensor x = rng.normal({2, 6, 8});
  EXPECT_FALSE(close(layer(x), layer(x), 1e-3));
  Tensor weights;
  layer(x, {.weights = &weights});
  EXPECT_TRUE(close(sum(weights, {-1}), ones({2, 2, 6}), 1e-6)) << "weights from before dropout";

  const NamedTensors state = layer.state();
  const Tensor first = layer(x);
  layer.load_state(state);
  EXPECT_TRUE(close(layer(x), first, 0)) << "the stream is part of the state";

  layer.eval();
  EXPECT_TRUE(close(layer(x), by_definition(layer, x, x, 2, {}, nullptr), 1e-5));
}

TEST(MultiHeadAttention, NamesItsParameters) {
  Rng rng(10);
  const MultiHeadAttention layer({.width = 8, .heads = 2}, rng);
  EXPECT_EQ(reference::names(layer.parameters()),
            (Names{"query.weight", "query.bias", "key.weight", "key.bias", "value.weight",
                   "value.bias", "output.weight", "output.bias"}));
  EXPECT_EQ(reference::names(layer.state()).back(), "dropout.stream");
  const MultiHeadAttention plain({.width = 8, .heads = 2, .bias = false}, rng);
  EXPECT_EQ(reference::names(plain.parameters()),
            (Names{"query.weight", "key.weight", "value.weight", "output.weight"}));
}

TEST(MultiHeadAttention, HasTheRightGradients) {
  Rng rng(11);
  MultiHeadAttention layer({.width = 4, .heads = 2, .memory_width = 3}, rng);
  layer.to(Dtype::f64);
  const Tensor x = rng.normal({1, 2, 4}, 0, 1, Dtype::f64);
  const Tensor memory = rng.normal({1, 3, 3}, 0, 1, Dtype::f64);
  const auto report = reference::check_layer(
      {&layer.query.weight, &layer.query.bias, &layer.key.weight, &layer.key.bias,
       &layer.value.weight, &layer.value.bias, &layer.output.weight, &layer.output.bias},
      {x, memory},
      [&](const Tensors& in) { return layer(in[0], in[1], {.mask = Mask::causal()}); });
  EXPECT_TRUE(report) << report.text;
}

TEST(MultiHeadAttention, RefusesWhatDoesNotFit) {
  Rng rng(12);
  EXPECT_EQ(
      error_of([&] { MultiHeadAttention({.width = 8, .heads = 3}, rng); }),
      "MultiHeadAttention: wanted a width that is divisible by heads; got width 8 and heads 3");
  EXPECT_EQ(error_of([&] { MultiHeadAttention({.width = 8, .heads = 0}, rng); }),
            "MultiHeadAttention: wanted heads >= 1; got 0");
  EXPECT_EQ(error_of([&] {
              MultiHeadAttention(
                  {.width = 6, .heads = 2, .positions = AttentionPositions::rotary()}, rng);
            }),
            "MultiHeadAttention: rotary positions turn pairs: wanted an even head_width; got 3");
  const MultiHeadAttention layer({.width = 8, .heads = 2, .memory_width = 3}, rng);
  EXPECT_EQ(error_of([&] {
              layer(ones({4, 8}), ones({1, 2, 3}));
            }),
            "MultiHeadAttention: wanted x [B, T, 8]; got [4, 8]");
  EXPECT_EQ(error_of([&] {
              layer(ones({1, 4, 8}), ones({1, 2, 8}));
            }),
            "MultiHeadAttention: wanted memory [B, T, 3]; got [1, 2, 8]");
  EXPECT_EQ(error_of([&] {
              layer(ones({1, 4, 8}));
            }),
            "MultiHeadAttention: wanted a memory [B, T, 3], of which its keys and values are made; "
            "got x alone");
}

}  // namespace
}  // namespace rapt::nn
