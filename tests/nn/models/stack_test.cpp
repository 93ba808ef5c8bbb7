#include "rapt/nn/models/stack.h"

#include <gtest/gtest.h>

#include "../../reference/reference.h"
#include "../../support/going_on.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/gradient_flow.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;
using tests::same_bits;
using Names = std::vector<std::string>;
using Windows = std::vector<std::optional<int64_t>>;

TransformerStackOptions small(TransformerBlockOptions block = {}) {
  if (block.attention.heads == 0) block.attention.heads = 2;
  block.feed_forward.hidden = 6;
  return {.width = 8, .layers = 3, .block = block};
}

TransformerStackOptions decoding(TransformerBlockOptions block = {}) {
  block.cross_attention = true;
  return small(block);
}

/// Nothing special about them: no zeros in biases, no ones in gains.
void loosen(const Module& model, Rng& rng) {
  for (const auto& [name, p] : model.parameters()) {
    Tensor(p).copy_from(rng.normal(p.shape(), 0, 0.5, p.dtype()));
  }
}

TEST(TransformerStack, NamesItsParameters) {
  Rng rng(1);
  const auto names_of = [&](TransformerStackOptions o) {
    o.layers = 1;
    Names out;
    for (const std::string& name : reference::names(TransformerStack(o, rng).parameters())) {
      if (name.ends_with(".weight")) out.push_back(name.substr(0, name.size() - 7));
    }
    return out;
  };
  const Names maps = {"query", "key", "value", "output"};
  Names plain = {"blocks.0.norm1"}, cross;
  for (const std::string& map : maps) plain.push_back("blocks.0.attention." + map);
  cross = plain;
  cross.emplace_back("blocks.0.cross_norm");
  for (const std::string& map : maps) cross.push_back("blocks.0.cross_attention." + map);
  for (Names* names : {&plain, &cross}) {
    for (const char* name : {"norm2", "feed_forward.up", "feed_forward.down"}) {
      names->push_back(text("blocks.0.", name));
    }
  }
  const Names post = plain;
  plain.emplace_back("norm");
  cross.emplace_back("norm");
  EXPECT_EQ(names_of(small()), plain);
  EXPECT_EQ(names_of(decoding()), cross);
  EXPECT_EQ(names_of(small({.pre_norm = false})), post);

  TransformerStackOptions other = small({.pre_norm = false});
  other.final_norm = true;
  EXPECT_EQ(names_of(other), plain);
  other = small();
  other.final_norm = false;
  EXPECT_EQ(names_of(other), post);
}

/// Block after block, written out.
Tensor by_definition(const TransformerStack& stack, Tensor x, const TransformerInputs& how,
                     const Windows& windows, bool pre_norm) {
  Tensor first;
  for (size_t i = 0; i < stack.blocks.size(); ++i) {
    const TransformerBlock& b = stack.blocks[i];
    Mask mask = how.mask;
    if (const auto window = windows[i]) mask = mask & Mask::window(*window, *window);
    const auto branch = [&](const Norm& norm, auto f) {
      x = pre_norm ? x + f(norm(x)) : norm(x + f(x));
    };
    branch(b.norm1, [&](const Tensor& in) {
      return b.attention(in, {.mask = mask, .first_values = &first});
    });
    if (b.cross_attention) {
      branch(*b.cross_norm, [&](const Tensor& in) {
        return (*b.cross_attention)(in, how.memory, {.mask = how.memory_mask});
      });
    }
    branch(b.norm2, [&](const Tensor& in) {
      const Tensor up = b.feed_forward.up(in);
      return b.feed_forward.down(up * sigmoid(up));
    });
  }
  return stack.norm ? (*stack.norm)(x) : x;
}

// Windows by layer are those of the blocks, from the first again when they end.
TEST(TransformerStack, IsItsDefinition) {
  for (const bool pre_norm : {true, false}) {
    for (const bool decodes : {true, false}) {
      for (const bool value_residual : {true, false}) {
        Rng rng(2);
        TransformerStackOptions o = small({.attention = {.value_residual = value_residual},
                                           .cross_attention = decodes,
                                           .feed_forward = {.activation = Activation::silu},
                                           .pre_norm = pre_norm});
        o.windows = {1, std::nullopt};
        TransformerStack stack(o, rng);
        stack.to(Dtype::f64);
        loosen(stack, rng);
        EXPECT_EQ(stack.blocks[0].options().attention.window, 1);
        EXPECT_EQ(stack.blocks[1].options().attention.window, std::nullopt);
        EXPECT_EQ(stack.blocks[2].options().attention.window, 1);
        // The first layer's values are what the others add to theirs.
        EXPECT_FALSE(stack.blocks[0].attention.value_mix.defined());
        EXPECT_EQ(stack.blocks[1].attention.value_mix.defined(), value_residual);

        const Tensor x = rng.normal({2, 5, 8}, 0, 1, Dtype::f64);
        TransformerInputs how{.mask = Mask::causal()};
        if (decodes) {
          how.memory = rng.normal({2, 4, 8}, 0, 1, Dtype::f64);
          how.memory_mask = Mask::lengths(from_values<int64_t>({4, 2}));
        }
        // The blocks' own windows are in their masks already: once more changes nothing.
        const Tensor y = stack(x, how);
        EXPECT_TRUE(close(y, by_definition(stack, x, how, {1, std::nullopt, 1}, pre_norm), 1e-10));
        TransformerStackOptions wide = o;
        wide.windows = {};
        TransformerStack other(wide, rng);
        other.to(Dtype::f64);
        NamedTensors weights = stack.parameters();
        weights.set_configuration({});  // to be used without the windows
        other.load_parameters(weights);
        EXPECT_FALSE(close(other(x, how), y, 1e-4));
        EXPECT_TRUE(close(y, by_definition(other, x, how, {1, std::nullopt, 1}, pre_norm), 1e-10));

        sum(y * reference::cotangent(y)).backward();
        EXPECT_EQ(check_gradient_flow(stack.parameters()).missing, Names{});
      }
    }
  }
}

TEST(TransformerStack, HasTheRightGradients) {
  Rng rng(3);
  for (const bool pre_norm : {true, false}) {
    TransformerStack stack({.width = 4,
                            .layers = 2,
                            .block = {.attention = {.heads = 2, .value_residual = true},
                                      .cross_attention = true,
                                      .memory_width = 3,
                                      .feed_forward = {.hidden = 3},
                                      .pre_norm = pre_norm},
                            .final_norm = true},
                           rng);
    stack.to(Dtype::f64);
    loosen(stack, rng);
    TransformerBlock& last = stack.blocks[1];
    const auto report = reference::check_layer(
        {&stack.blocks[0].attention.value.weight, &last.attention.value_mix,
         &last.cross_norm->weight, &last.cross_norm->bias, &last.cross_attention->query.weight,
         &last.cross_attention->key.weight, &last.cross_attention->value.bias,
         &last.cross_attention->output.weight, &stack.norm->weight, &stack.norm->bias},
        {rng.normal({1, 3, 4}, 0, 1, Dtype::f64), rng.normal({1, 2, 3}, 0, 1, Dtype::f64)},
        [&](const Tensors& in) { return stack(in[0], {.mask = Mask::causal(), .memory = in[1]}); });
    EXPECT_TRUE(report) << report.text;
  }
}

/// Value, gradients of all, and the streams of random numbers behind it.
NamedTensors trained(TransformerStackOptions options, bool recompute) {
  options.recompute = recompute;
  Rng rng(4);
  const TransformerStack stack(options, rng);
  const Tensor x = rng.normal({2, 5, 8}).set_requires_grad();
  TransformerInputs how{.mask = Mask::causal()};
  Tensor memory;
  if (options.block.cross_attention) {
    memory = rng.normal({2, 4, 8}).set_requires_grad();
    how.memory = memory;
    how.memory_mask = Mask::lengths(from_values<int64_t>({4, 2}));
  }
  const Tensor y = stack(x, how);
  sum(y * reference::cotangent(y)).backward();
  NamedTensors out{{"y", y.detach()}, {"gradient of x", x.grad()}};
  if (memory.defined()) out.add("gradient of memory", memory.grad());
  for (const auto& [name, p] : stack.parameters()) out.add("gradient of " + name, p.grad());
  out.add_all("", stack.state());
  return out;
}

TEST(TransformerStack, RecomputedBlocksGiveTheSameBits) {
  for (const bool decodes : {false, true}) {
    for (const bool value_residual : {false, true}) {
      for (const bool pre_norm : {false, true}) {
        TransformerStackOptions o =
            small({.attention = {.heads = 4,
                                 .key_value_heads = 2,
                                 .positions = AttentionPositions::relative_bias(8, 6),
                                 .sink = true,
                                 .value_residual = value_residual},
                   .cross_attention = decodes,
                   .pre_norm = pre_norm,
                   .dropout = 0.2});
        o.windows = {2, std::nullopt};
        const NamedTensors wanted = trained(o, false), found = trained(o, true);
        ASSERT_EQ(reference::names(found), reference::names(wanted));
        for (const auto& [name, tensor] : wanted) {
          EXPECT_TRUE(same_bits(found[name], tensor)) << name;
        }
      }
    }
  }
}

TEST(TransformerStack, StartsAsGpt2) {
  Rng rng(5);
  for (const bool decodes : {false, true}) {
    TransformerStack stack({.width = 128,
                            .layers = 3,
                            .block = {.attention = {.heads = 4, .gate = true},
                                      .cross_attention = decodes,
                                      .feed_forward = {.gated = true}}},
                           rng);
    loosen(stack, rng);
    stack.initialize(0.1, rng);
    const double last = 0.1 / std::sqrt(decodes ? 9.0 : 6.0);
    for (const auto& [name, p] : stack.parameters()) {
      if (name.find("norm") != std::string::npos) continue;
      if (p.rank() == 1) {
        EXPECT_EQ(max(abs(p)).item(), 0) << name;
        continue;
      }
      const bool ends = name.ends_with("output.weight") || name.ends_with("down.weight");
      EXPECT_NEAR(std::sqrt(var(p).item()), ends ? last : 0.1, 0.005) << name;
    }
  }
}

TEST(TransformerStack, GoesOnFromItsState) {
  Rng rng(6), other(7);
  const auto options = small({.dropout = 0.3});
  const Tensor x = rng.normal({2, 5, 8});
  tests::expect_going_on_from_state(TransformerStack(options, rng),
                                    TransformerStack(options, other),
                                    [&](const TransformerStack& stack) { return stack(x); });
}

TEST(TransformerStack, OfNoTokens) {
  Rng rng(8);
  const TransformerStack stack(small(), rng), decoder(decoding(), rng);
  for (const Shape& shape : {Shape{2, 0, 8}, Shape{0, 3, 8}}) {
    EXPECT_EQ(stack(zeros(shape), {.mask = Mask::causal()}).shape(), shape);
    EXPECT_EQ(decoder(zeros(shape), {.memory = ones({shape[0], 4, 8})}).shape(), shape);
  }
  // A memory of nothing says nothing.
  const Tensor x = rng.normal({2, 3, 8}), y = decoder(x, {.memory = zeros({2, 0, 8})});
  EXPECT_EQ(count_nonzero(y == y).item(), 48);
}

TEST(TransformerStack, OptionsAreThoseItWasBuiltWith) {
  Rng rng(9);
  TransformerStack stack(decoding({.attention = {.heads = 4}}), rng);
  stack.blocks[1].attention.keep_heads({3, 1});
  stack.blocks[2].cross_attention->keep_heads({0});
  EXPECT_EQ(stack.options().block.attention.heads, 4);
  EXPECT_EQ(stack.options().final_norm, true);
  EXPECT_EQ(stack.blocks[1].attention.kept_heads(), (std::vector<int64_t>{3, 1}));
  EXPECT_EQ(stack.configuration().text("blocks.1.attention.kept_heads"), "3 1");
  EXPECT_EQ(stack.configuration().text("blocks.2.cross_attention.kept_heads"), "0");
  EXPECT_FALSE(stack.configuration().contains("blocks.0.attention.kept_heads"));
}

TEST(TransformerStack, ErrorsSayWhatWasWanted) {
  Rng rng(11);
  const auto with = [&](const TransformerStackOptions& o) {
    return error_of([&] { TransformerStack(o, rng); });
  };
  const auto changed = [](auto change) {
    TransformerStackOptions o = small();
    change(o);
    return o;
  };
  EXPECT_EQ(with({}), "TransformerStack: wanted width >= 1; got 0");
  EXPECT_EQ(with(changed([](auto& o) { o.layers = 0; })),
            "TransformerStack: wanted layers >= 1; got 0");
  EXPECT_EQ(with(changed([](auto& o) { o.block.width = 4; })),
            "TransformerStack: wanted blocks of its own width, 8; got 4");
  EXPECT_EQ(with(changed([](auto& o) { o.windows = {-1}; })),
            "MultiHeadAttention: wanted a window >= 0; got -1");
  TransformerStack stack(small(), rng);
  EXPECT_EQ(error_of([&] { stack.initialize(-1, rng); }),
            "TransformerStack: wanted stddev >= 0; got -1");
  const Tensor x = ones({1, 3, 8});
  EXPECT_EQ(error_of([&] { stack(x, {.memory = x}); }),
            "TransformerBlock: wanted no memory, as it was built without cross_attention (in "
            "blocks.0)");
  EXPECT_EQ(error_of([&] { TransformerStack(decoding(), rng)(x); }),
            "TransformerBlock: wanted a memory, as it was built with cross_attention (in "
            "blocks.0)");
}

}  // namespace
}  // namespace rapt::nn
