#include "rapt/nn/pytorch_state.h"

#include <gtest/gtest.h>

#include "../reference/reference.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/models/encoder_decoder.h"
#include "rapt/nn/recurrent/gru.h"
#include "rapt/nn/recurrent/lstm.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;
using tests::same_bits;
using Names = std::vector<std::string>;

// In the order of nn.LSTM's state_dict.
TEST(PyTorchState, HasPyTorchsNames) {
  Rng rng(1);
  const LSTM layer({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true}, rng);
  EXPECT_EQ(
      reference::names(pytorch_state(layer)),
      (Names{"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_ih_l0_reverse",
             "weight_hh_l0_reverse", "bias_ih_l0_reverse", "bias_hh_l0_reverse", "weight_ih_l1",
             "weight_hh_l1", "bias_ih_l1", "bias_hh_l1", "weight_ih_l1_reverse",
             "weight_hh_l1_reverse", "bias_ih_l1_reverse", "bias_hh_l1_reverse"}));
  const GRU plain({.input = 3, .hidden = 4, .bias = false}, rng);
  EXPECT_EQ(reference::names(pytorch_state(plain)), (Names{"weight_ih_l0", "weight_hh_l0"}));
  EXPECT_TRUE(
      same_bits(pytorch_state(layer)["weight_hh_l1_reverse"], layer.layers[1].backward->weight_hh));
}

TEST(PyTorchState, ComesBack) {
  Rng rng(2);
  const LSTM from({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true}, rng);
  LSTM to({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true}, rng);
  const Tensor x = rng.normal({2, 5, 3});
  EXPECT_FALSE(same_bits(from(x), to(x)));
  load_pytorch_state(to, pytorch_state(from));
  EXPECT_TRUE(same_bits(from(x), to(x)));
}

TEST(PyTorchState, ErrorsNameWhatDiffers) {
  Rng rng(3);
  GRU layer({.input = 3, .hidden = 4}, rng);
  NamedTensors state;
  for (const auto& [name, tensor] : pytorch_state(layer)) {
    if (name != "bias_hh_l0") state.add(name, name == "weight_hh_l0" ? zeros({3, 4}) : tensor);
  }
  state.add("weight_ih_l1", zeros({1}));
  EXPECT_EQ(error_of([&] { load_pytorch_state(layer, state); }),
            "load_pytorch_state: the tensors do not fit; nothing was loaded\n"
            "  different: weight_hh_l0, wanted f32[12, 4]; got f32[3, 4]\n"
            "  missing: bias_hh_l0 f32[12]\n"
            "  unexpected: weight_ih_l1 f32[1]");
}

// ---- attention and models ----------------------------------------------------------------------

NamedTensors state_of(const MultiHeadAttention& layer) { return pytorch_state(layer); }
NamedTensors state_of(const TransformerBlock& block) { return pytorch_state(block); }
NamedTensors state_of(const TransformerStack& stack) { return pytorch_state(stack); }

struct Pair : Module {
  Pair(const TransformerStackOptions& e, const TransformerStackOptions& d, Rng& rng)
      : encoder(child("encoder", TransformerStack(e, rng))),
        decoder(child("decoder", TransformerStack(d, rng))) {}
  TransformerStack encoder, decoder;
};

NamedTensors state_of(const Pair& pair) { return pytorch_state(pair.encoder, pair.decoder); }

template <class Layer>
void load(Layer& layer, const NamedTensors& state) {
  load_pytorch_state(layer, state);
}
void load(Pair& pair, const NamedTensors& state) {
  load_pytorch_state(pair.encoder, pair.decoder, state);
}

/// A case of models.safetensors: PyTorch's state dict goes in and comes back, and the layer's value
/// and gradients are PyTorch's. make() gives the layer, run(layer, inputs) its value.
template <class Make, class Run>
void expect_as_pytorch(const std::string& name, Make make, Run run) {
  const NamedTensors wanted = reference::file("models").with_prefix(name + "/");
  ASSERT_FALSE(wanted.empty()) << name;
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    SCOPED_TRACE(name + " in " + std::string(name_of(dtype)));
    auto layer = make();
    layer.to(dtype);
    const NamedTensors theirs = reference::converted(wanted.with_prefix("param."), dtype);
    load(layer, theirs);
    const NamedTensors back = state_of(layer);
    EXPECT_EQ(reference::names(back), reference::names(theirs));
    for (const auto& [key, tensor] : theirs) EXPECT_TRUE(same_bits(back[key], tensor)) << key;

    const NamedTensors inputs = reference::converted(wanted.with_prefix("in."), dtype);
    for (const auto& [key, input] : inputs) {
      if (is_float(input.dtype())) Tensor(input).set_requires_grad();
    }
    const double tolerance = reference::tolerance(dtype);
    const Tensor y = run(layer, inputs);
    EXPECT_TRUE(close(y, wanted["out.y"], tolerance));
    sum(y * reference::cotangent(y)).backward();
    const NamedTensors gradients = wanted.with_prefix("grad.");
    for (const auto& [key, input] : inputs) {
      if (!is_float(input.dtype())) continue;
      EXPECT_TRUE(close(input.grad(), gradients[key], tolerance)) << key;
    }
    // The gradients by PyTorch's names: as if they were the weights.
    const NoGrad no_grad;
    for (const auto& [key, p] : layer.parameters()) Tensor(p).copy_from(p.grad().clone());
    for (const auto& [key, gradient] : state_of(layer)) {
      EXPECT_TRUE(close(gradient, gradients[key], tolerance)) << key;
    }
  }
}

TEST(PyTorchState, OfMultiheadAttention) {
  Rng rng(4);
  const auto expect = [&](const char* name, const MultiHeadAttentionOptions& options) {
    expect_as_pytorch(
        name, [&] { return MultiHeadAttention(options, rng); },
        [](const MultiHeadAttention& layer, const NamedTensors& in) {
          return layer(in["x"], in["memory"], {.mask = Mask::lengths(in["lengths"])});
        });
  };
  expect("attention.plain", {.width = 8, .heads = 2});
  expect("attention.no_bias", {.width = 8, .heads = 2, .bias = false});
  expect("attention.memory", {.width = 8, .heads = 2, .memory_width = 5});
}

TransformerBlockOptions block_options(bool pre_norm, Activation activation, bool decodes = false) {
  return {.width = 8,
          .attention = {.heads = 2},
          .cross_attention = decodes,
          .feed_forward = {.hidden = 6, .activation = activation},
          .pre_norm = pre_norm};
}

TEST(PyTorchState, OfEncoderAndDecoderLayers) {
  Rng rng(5);
  for (const bool pre_norm : {true, false}) {
    for (const Activation activation : {Activation::relu, Activation::gelu}) {
      const std::string name =
          text(pre_norm ? "pre" : "post", ".", activation == Activation::relu ? "relu" : "gelu");
      expect_as_pytorch(
          "encoder_layer." + name,
          [&] { return TransformerBlock(block_options(pre_norm, activation), rng); },
          [](const TransformerBlock& block, const NamedTensors& in) {
            return block(in["x"], {.mask = Mask::causal() & Mask::lengths(in["lengths"])});
          });
      expect_as_pytorch(
          "decoder_layer." + name,
          [&] { return TransformerBlock(block_options(pre_norm, activation, true), rng); },
          [](const TransformerBlock& block, const NamedTensors& in) {
            return block(in["x"], {.mask = Mask::causal() & Mask::lengths(in["lengths"]),
                                   .memory = in["memory"],
                                   .memory_mask = Mask::lengths(in["memory_lengths"])});
          });
    }
  }
}

TransformerStackOptions stack_options(bool pre_norm, int64_t layers, bool decodes = false) {
  const Activation activation = pre_norm ? Activation::gelu : Activation::relu;
  return {.width = 8,
          .layers = layers,
          .block = block_options(pre_norm, activation, decodes),
          .final_norm = true};
}

TEST(PyTorchState, OfATransformer) {
  Rng rng(6);
  for (const bool pre_norm : {true, false}) {
    expect_as_pytorch(
        pre_norm ? "transformer.pre" : "transformer.post",
        [&] { return Pair(stack_options(pre_norm, 2), stack_options(pre_norm, 1, true), rng); },
        [](const Pair& pair, const NamedTensors& in) {
          const Mask lengths = Mask::lengths(in["lengths"]);
          const Tensor memory = pair.encoder(in["source"], {.mask = lengths});
          return pair.decoder(in["target"],
                              {.mask = Mask::causal(), .memory = memory, .memory_mask = lengths});
        });
  }
}

TEST(PyTorchState, OfAnEncoderWithoutTheLastNorm) {
  Rng rng(7);
  expect_as_pytorch(
      "encoder",
      [&] {
        return TransformerStack({.width = 8,
                                 .layers = 2,
                                 .block = block_options(true, Activation::relu),
                                 .final_norm = false},
                                rng);
      },
      [](const TransformerStack& stack, const NamedTensors& in) { return stack(in["x"]); });
}

TEST(PyTorchState, OfADecoderHasPyTorchsNames) {
  Rng rng(8);
  const NamedTensors state = pytorch_state(TransformerStack(stack_options(false, 2, true), rng));
  const Names names = reference::names(state);
  EXPECT_EQ(names.size(), 38u);
  EXPECT_EQ(names.front(), "layers.0.self_attn.in_proj_weight");
  EXPECT_EQ(names[4], "layers.0.multihead_attn.in_proj_weight");
  EXPECT_EQ(names[16], "layers.0.norm3.weight");
  EXPECT_EQ(names[18], "layers.1.self_attn.in_proj_weight");
  EXPECT_EQ(names.back(), "norm.bias");
}

// One wrong name of the decoder's: the encoder has not been written either.
TEST(PyTorchState, IsLoadedAsAWholeOrNotAtAll) {
  Rng rng(9);
  const Pair from(stack_options(true, 1), stack_options(true, 1, true), rng);
  Pair to(stack_options(true, 1), stack_options(true, 1, true), rng);
  NamedTensors before;
  for (const auto& [name, p] : to.parameters()) before.add(name, p.detach().clone());
  NamedTensors state;
  for (const auto& [name, tensor] : state_of(from)) {
    if (name == "decoder.layers.0.norm3.bias") {
      state.add("decoder.layers.0.norm4.bias", tensor);
    } else {
      state.add(name, name == "decoder.layers.0.linear1.weight" ? zeros({8, 6}) : tensor);
    }
  }
  EXPECT_EQ(error_of([&] { load(to, state); }),
            "load_pytorch_state: the tensors do not fit; nothing was loaded\n"
            "  different: decoder.layers.0.linear1.weight, wanted f32[6, 8]; got f32[8, 6]\n"
            "  missing: decoder.layers.0.norm3.bias f32[8]\n"
            "  unexpected: decoder.layers.0.norm4.bias f32[8]");
  for (const auto& [name, p] : to.parameters()) EXPECT_TRUE(same_bits(p, before[name])) << name;
}

TEST(PyTorchState, IsACopy) {
  Rng rng(10);
  const MultiHeadAttention layer({.width = 8, .heads = 2}, rng);
  const Tensor before = layer.output.weight.detach().clone();
  for (const auto& [name, tensor] : pytorch_state(layer)) Tensor(tensor).copy_from(tensor + 1.0);
  EXPECT_TRUE(same_bits(layer.output.weight.detach(), before));
}

TEST(PyTorchStateErrors, NameWhatPyTorchHasNot) {
  Rng rng(11);
  const auto of_attention = [&](MultiHeadAttentionOptions o) {
    o.width = 8;
    o.heads = 4;
    return error_of([&] { pytorch_state(MultiHeadAttention(o, rng)); });
  };
  EXPECT_EQ(of_attention({.key_value_heads = 2}),
            "pytorch_state: wanted as many heads of keys and values as of queries, as "
            "nn.MultiheadAttention; got 2 for 4");
  EXPECT_EQ(of_attention({.head_width = 3}),
            "pytorch_state: wanted heads that are together as wide as the layer, as "
            "nn.MultiheadAttention; got 4 of 3 in a width of 8");
  EXPECT_EQ(of_attention({.score = ScoreKind::cosine}),
            "pytorch_state: wanted ScoreKind::scaled_dot without a soft_cap, as "
            "nn.MultiheadAttention; got cosine");
  EXPECT_EQ(of_attention({.soft_cap = 3}),
            "pytorch_state: wanted ScoreKind::scaled_dot without a soft_cap, as "
            "nn.MultiheadAttention; got scaled_dot with one");
  EXPECT_EQ(of_attention({.query_key_norm = NormKind::rms,
                          .positions = AttentionPositions::relative_bias(),
                          .sink = true,
                          .gate = true,
                          .value_residual = true}),
            "pytorch_state: wanted a MultiHeadAttention of the parameters that "
            "nn.MultiheadAttention has; got also query_norm.weight, key_norm.weight, "
            "relative_bias.weight, gate.weight, gate.bias, sink, value_mix");
  EXPECT_EQ(of_attention({.positions = AttentionPositions::rotary({.width = 2})}), "");
  EXPECT_EQ(of_attention({.positions = AttentionPositions::alibi()}), "");

  const auto of_block = [&](TransformerBlockOptions o) {
    o.width = 8;
    o.attention.heads = 2;
    TransformerBlock block(o, rng);
    return error_of([&] { load_pytorch_state(block, {}); });
  };
  EXPECT_EQ(of_block({.norm = NormKind::rms}),
            "load_pytorch_state: wanted NormKind::layer, as PyTorch's layers have it; got "
            "NormKind::rms");
  EXPECT_EQ(of_block({.attention = {.bias = false}}),
            "load_pytorch_state: wanted attention and a feed_forward with biases, as PyTorch's "
            "layers have them; got bias = false");
  EXPECT_EQ(of_block({.feed_forward = {.gated = true}}),
            "load_pytorch_state: wanted a TransformerBlock of the parameters that "
            "nn.TransformerEncoderLayer has; got also feed_forward.gate.weight, "
            "feed_forward.gate.bias");
  EXPECT_EQ(of_block({.attention = {.gate = true}, .cross_attention = true}),
            "load_pytorch_state: wanted a TransformerBlock of the parameters that "
            "nn.TransformerDecoderLayer has; got also attention.gate.weight, "
            "attention.gate.bias, cross_attention.gate.weight, cross_attention.gate.bias");
  EXPECT_EQ(of_block({.cross_attention = true, .memory_width = 5}),
            "load_pytorch_state: wanted a memory_width that is the width, as "
            "nn.TransformerDecoderLayer has it; got 5 and 8");

  TransformerStackOptions gated = stack_options(true, 1);
  gated.block.attention.sink = true;
  EXPECT_EQ(error_of([&] { pytorch_state(TransformerStack(gated, rng)); }),
            "pytorch_state: wanted a TransformerStack of the parameters that "
            "nn.TransformerEncoder has; got also blocks.0.attention.sink");
  const TransformerStack encoder(stack_options(true, 1), rng);
  EXPECT_EQ(error_of([&] { pytorch_state(encoder, encoder); }),
            "pytorch_state: wanted an encoder without cross_attention and a decoder with it; got "
            "one without and one without");
  TransformerStackOptions bare = stack_options(false, 1, true);
  bare.final_norm = {};
  EXPECT_EQ(error_of([&] { pytorch_state(encoder, TransformerStack(bare, rng)); }),
            "pytorch_state: wanted stacks with final_norm, as nn.Transformer has them; got one "
            "without");
}

}  // namespace
}  // namespace rapt::nn
