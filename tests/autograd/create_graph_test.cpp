// Derivatives of derivatives: grad() with create_graph.

#include <gtest/gtest.h>

#include <cmath>

#include "../support/tensors.h"
#include "rapt/autograd/gradient.h"

namespace rapt {
namespace {

using tests::close;
using tests::leaf;

TEST(CreateGraph, ToTheFourthOrder) {
  Tensor x = leaf({0.7});
  Tensor y = sin(x) * exp(x);  // y'''' = -4 y
  const Tensor first = y;
  for (int order = 1; order <= 4; ++order) {
    y = grad({y}, {x}, {.create_graph = true})[0];
  }
  EXPECT_TRUE(close(y.detach(), first.detach() * -4.0, 1e-14));
}

TEST(CreateGraph, ThroughFusedOps) {
  Rng rng(1);
  Tensor x = rng.normal({2, 5}, 0, 1, Dtype::f64).set_requires_grad();
  const Tensor weight = rng.normal({2, 5}, 0, 1, Dtype::f64);
  const auto value = [&](const Tensor& t) { return sum(gelu(layer_norm(t)) * weight); };
  Tensor direction = rng.normal({2, 5}, 0, 1, Dtype::f64);
  // The derivative along one direction, three times over, against central differences of the
  // second.
  const auto second_along = [&](const Tensor& at) {
    Tensor t = at.detach().clone().set_requires_grad();
    const Tensor g = sum(grad({value(t)}, {t}, {.create_graph = true})[0] * direction);
    return sum(grad({g}, {t})[0] * direction).item();
  };
  const Tensor g1 = sum(grad({value(x)}, {x}, {.create_graph = true})[0] * direction);
  const Tensor g2 = sum(grad({g1}, {x}, {.create_graph = true})[0] * direction);
  const double third = sum(grad({g2}, {x})[0] * direction).item();
  constexpr double h = 1e-4;
  const double numeric =
      (second_along(x + direction * h) - second_along(x - direction * h)) / (2 * h);
  EXPECT_NEAR(third, numeric, 1e-5 * (1 + std::abs(numeric)));
}

TEST(CreateGraph, AGradientPenaltyTrains) {
  Tensor w = leaf({1, 2}), x = leaf({3, 4});
  const Tensor g = grad({sum(w * w * x)}, {x}, {.create_graph = true})[0];  // w^2
  sum(g * g).backward();                                                    // 4 w^3
  EXPECT_EQ(w.grad().str(), "f64[2] {4, 32}");
}

TEST(CreateGraph, GradientsOfANonLeafCanBeDifferentiated) {
  Tensor x = leaf({2});
  const Tensor h = x * x, y = h * h * h;
  const Tensor dh = grad({y}, {h}, {.create_graph = true})[0];  // 3 h^2 = 3 x^4
  EXPECT_EQ(grad({dh}, {x})[0].item(), 12 * 8);
}

}  // namespace
}  // namespace rapt
