#include "rapt/nn/embedding.h"

#include <gtest/gtest.h>

#include "../reference/reference.h"
#include "rapt/autograd/ops.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;

TEST(Embedding, LooksUpRows) {
  Rng rng(1);
  const Embedding layer(4, 3, rng);
  const Tensor ids = from_values<int64_t>({3, 0, 3, 1}, {2, 2});
  const Tensor wanted = matmul(one_hot(ids, 4), layer.weight);
  EXPECT_TRUE(close(layer(ids), wanted, 0));
  EXPECT_EQ(layer(ids).shape(), (Shape{2, 2, 3}));
}

TEST(Embedding, NamesItsParameter) {
  Rng rng(1);
  const Embedding layer(4, 3, rng);
  EXPECT_EQ(reference::names(layer.parameters()), std::vector<std::string>{"weight"});
  EXPECT_EQ(layer.weight.shape(), (Shape{4, 3}));
}

TEST(Embedding, StartsAsInPyTorch) {
  Rng rng(2);
  const Embedding layer(200, 100, rng);
  EXPECT_NEAR(var(layer.weight).item(), 1, 0.05);
  EXPECT_NEAR(mean(layer.weight).item(), 0, 0.03);
}

TEST(Embedding, AddsUpTheGradientsOfARepeatedId) {
  Rng rng(3);
  const Embedding layer(3, 2, rng);
  sum(layer(from_values<int64_t>({2, 0, 2}))).backward();
  EXPECT_EQ(layer.weight.grad().values<float>(), (std::vector<float>{1, 1, 0, 0, 2, 2}));
}

TEST(Embedding, RefusesAnIdOutsideTheRange) {
  Rng rng(4);
  const Embedding layer(3, 2, rng);
  EXPECT_EQ(error_of([&] {
              layer(from_values<int64_t>({0, 3}));
            }),
            "embedding: wanted indices in [0, 3); got 3 at position 1 of [2]");
  EXPECT_EQ(error_of([&] { layer(from_values<int64_t>({-1})); }),
            "embedding: wanted indices in [0, 3); got -1 at position 0 of [1]");
  EXPECT_EQ(error_of([&] { layer(ones({2})); }), "embedding: wanted ids of i64; got f32[2]");
  EXPECT_EQ(error_of([&] { Embedding(0, 2, rng); }),
            "Embedding: wanted count >= 1 and width >= 1; got 0 and 2");
}

}  // namespace
}  // namespace rapt::nn
