#include "rapt/nn/normalization.h"

#include <gtest/gtest.h>

#include "../reference/reference.h"
#include "rapt/autograd/ops.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;
using Names = std::vector<std::string>;

TEST(LayerNorm, AgreesWithPyTorch) {
  const auto run = [](const auto& layer, const NamedTensors& in) {
    return NamedTensors{{"y", layer(in["x"])}};
  };
  reference::expect_as_pytorch(
      "layer_norm", [] { return LayerNorm(6); }, run);
  reference::expect_as_pytorch(
      "layer_norm", [] { return Norm(NormKind::layer, 6); }, run);
  reference::expect_as_pytorch(
      "rms_norm", [] { return RMSNorm(6); }, run);
  reference::expect_as_pytorch(
      "rms_norm", [] { return Norm(NormKind::rms, 6); }, run);
}

TEST(LayerNorm, StartsAsThePlainNormalization) {
  Rng rng(1);
  const Tensor x = rng.normal({4, 50}, 3, 2);
  const Tensor y = LayerNorm(50)(x);
  EXPECT_TRUE(close(mean(y, {-1}), zeros({4}), 1e-5));
  EXPECT_TRUE(close(var(y, {-1}, {.correction = 0}), ones({4}), 1e-4));
  const Tensor z = RMSNorm(50)(x);
  EXPECT_TRUE(close(mean(z * z, {-1}), ones({4}), 1e-4));
}

TEST(LayerNorm, NamesItsParameters) {
  EXPECT_EQ(reference::names(LayerNorm(3).parameters()), (Names{"weight", "bias"}));
  EXPECT_EQ(reference::names(RMSNorm(3).parameters()), Names{"weight"});
  EXPECT_EQ(reference::names(Norm(NormKind::layer, 3).parameters()), (Names{"weight", "bias"}));
  EXPECT_EQ(reference::names(Norm(NormKind::rms, 3).parameters()), Names{"weight"});
}

TEST(LayerNorm, UsesItsEps) {
  const Tensor x = tensor({-1, 1});  // variance and mean square 1
  EXPECT_NEAR(LayerNorm(2, 3)(x).data<float>()[1], 0.5, 1e-6);
  EXPECT_NEAR(RMSNorm(2, 3)(x).data<float>()[1], 0.5, 1e-6);
  EXPECT_NEAR(Norm(NormKind::layer, 2, 3)(x).data<float>()[1], 0.5, 1e-6);
  EXPECT_NEAR(Norm(NormKind::rms, 2, 3)(x).data<float>()[1], 0.5, 1e-6);
}

TEST(LayerNorm, RefusesWhatDoesNotFit) {
  EXPECT_EQ(error_of([] { LayerNorm(0); }), "LayerNorm: wanted width >= 1; got 0");
  EXPECT_EQ(error_of([] { RMSNorm(-1); }), "RMSNorm: wanted width >= 1; got -1");
  EXPECT_EQ(error_of([] {
              LayerNorm(3)(ones({2, 4}));
            }),
            "layer_norm: wanted weight [4], the last axis of x [2, 4]; got [3]");
}

}  // namespace
}  // namespace rapt::nn
