#include "rapt/nn/attention/self_attention.h"

#include <gtest/gtest.h>

#include "../../reference/reference.h"
#include "rapt/autograd/ops.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;

TEST(SelfAttention, AgreesWithTheDocumentInPyTorch) {
  Rng rng(1);
  for (const bool maps : {true, false}) {
    for (const bool masked : {true, false}) {
      reference::expect_as_pytorch(
          text("self_attention.", maps ? "mapped." : "letter.", masked ? "masked" : "plain"),
          [&] { return SelfAttention(8, 2, rng, {.maps = maps}); },
          [&](const SelfAttention& layer, const NamedTensors& in) {
            const Tensor mask = masked ? in["mask"] : Tensor();
            return NamedTensors{{"y", layer(in["values"], in["keys"], in["query"], mask)}};
          });
    }
  }
}

TEST(SelfAttention, NamesItsParametersAsTheDocument) {
  Rng rng(2);
  const SelfAttention layer(8, 2, rng);
  EXPECT_EQ(reference::names(layer.parameters()),
            (std::vector<std::string>{"values.weight", "keys.weight", "queries.weight",
                                      "fc_out.weight", "fc_out.bias"}));
  EXPECT_EQ(layer.keys.weight.shape(), (Shape{4, 4}));
  EXPECT_EQ(layer.fc_out.weight.shape(), (Shape{8, 8}));
}

TEST(SelfAttention, SpreadsTheWeightOfAQueryThatMayAttendToNothing) {
  Rng rng(3);
  const SelfAttention layer(4, 2, rng, {.maps = false});
  const Tensor x = rng.normal({1, 3, 4});
  const Tensor y = layer(x, x, x, full({1, 1, 3, 3}, 0, Dtype::b8));
  const Tensor wanted = layer.fc_out(expand(mean(x, {1}, {.keepdim = true}), {1, 3, 4}));
  EXPECT_TRUE(close(y, wanted, 1e-6));
}

TEST(SelfAttention, HasTheRightGradients) {
  Rng rng(4);
  SelfAttention layer(4, 2, rng);
  layer.to(Dtype::f64);
  const auto normal = [&](const Shape& shape) { return rng.normal(shape, 0, 1, Dtype::f64); };
  const Tensor mask = from_values<bool>({true, true, false, false, true, true}, {1, 1, 2, 3});
  const auto report =
      reference::check_layer({&layer.values.weight, &layer.keys.weight, &layer.queries.weight,
                              &layer.fc_out.weight, &layer.fc_out.bias},
                             {normal({1, 3, 4}), normal({1, 3, 4}), normal({1, 2, 4})},
                             [&](const Tensors& in) { return layer(in[0], in[1], in[2], mask); });
  EXPECT_TRUE(report) << report.text;
}

TEST(SelfAttention, RefusesWhatDoesNotFit) {
  Rng rng(5);
  EXPECT_EQ(error_of([&] { SelfAttention(8, 3, rng); }),
            "SelfAttention: wanted an embed_size that is divisible by heads; got embed_size 8 and "
            "heads 3");
  const SelfAttention layer(8, 2, rng);
  const Tensor x = ones({1, 2, 8});
  EXPECT_EQ(error_of([&] {
              layer(x, ones({1, 2, 4}), x);
            }),
            "SelfAttention: wanted values, keys and query [N, T, 8]; got [1, 2, 8], [1, 2, 4] and "
            "[1, 2, 8]");
  EXPECT_EQ(error_of([&] {
              layer(x, x, x, full({2, 2}, 1, Dtype::b8));
            }),
            "SelfAttention: wanted a mask [N, heads, Tq, Tk], 1 where all share it; got [2, 2]");
}

}  // namespace
}  // namespace rapt::nn
