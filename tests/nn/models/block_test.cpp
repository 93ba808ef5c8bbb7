#include "rapt/nn/models/block.h"

#include <gtest/gtest.h>

#include "../../reference/reference.h"

namespace rapt::nn {
namespace {

TEST(TransformerBlock, AgreesWithPyTorch) {
  Rng rng(1);
  for (const bool pre_norm : {true, false}) {
    reference::expect_as_pytorch(
        pre_norm ? "block.pre" : "block.post",
        [&] {
          return TransformerBlock(
              {.width = 12,
               .attention = {.heads = 3},
               .feed_forward = {.hidden = 20,
                                .activation = pre_norm ? Activation::gelu : Activation::relu},
               .pre_norm = pre_norm},
              rng);
        },
        [](const TransformerBlock& block, const NamedTensors& in) {
          const Mask mask = Mask::causal() & Mask::lengths(in["lengths"]);
          return NamedTensors{{"y", block(in["x"], {.mask = mask})}};
        });
  }
}

TEST(TransformerBlock, HasTheRightGradients) {
  Rng rng(2);
  for (const bool pre_norm : {true, false}) {
    TransformerBlock block({.width = 4,
                            .attention = {.heads = 2},
                            .feed_forward = {.hidden = 3},
                            .pre_norm = pre_norm},
                           rng);
    block.to(Dtype::f64);
    MultiHeadAttention& a = block.attention;
    FeedForward& f = block.feed_forward;
    const auto report = reference::check_layer(
        {&block.norm1.weight, &block.norm1.bias, &a.query.weight, &a.query.bias, &a.key.weight,
         &a.key.bias, &a.value.weight, &a.value.bias, &a.output.weight, &a.output.bias,
         &block.norm2.weight, &block.norm2.bias, &f.up.weight, &f.up.bias, &f.down.weight,
         &f.down.bias},
        {rng.normal({1, 3, 4}, 0, 1, Dtype::f64)},
        [&](const Tensors& in) { return block(in[0], {.mask = Mask::causal()}); });
    EXPECT_TRUE(report) << report.text;
  }
}

}  // namespace
}  // namespace rapt::nn
