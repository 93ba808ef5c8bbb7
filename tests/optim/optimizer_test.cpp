#include "rapt/optim/optimizer.h"

#include <gtest/gtest.h>

#include <limits>

#include "../reference/reference.h"
#include "rapt/optim/adam.h"

namespace rapt::optim {
namespace {

using reference::error_of;
using reference::names;
using Names = std::vector<std::string>;

Tensor leaf(const Shape& shape, Dtype dtype = Dtype::f32) {
  return ones(shape, dtype).set_requires_grad();
}

NamedTensors three() {
  return {{"weight", leaf({2, 3})}, {"bias", leaf({3})}, {"kernel", leaf({2, 2, 2})}};
}

TEST(Optimizer, DecayGroupsSpareBiasesAndNorms) {
  const std::vector<ParameterGroup> groups = decay_groups(three(), 0.1);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(names(groups[0].parameters), (Names{"weight", "kernel"}));
  EXPECT_EQ(groups[0].weight_decay, 0.1);
  EXPECT_EQ(names(groups[1].parameters), Names{"bias"});
  EXPECT_EQ(groups[1].weight_decay, 0);
}

TEST(Optimizer, ZeroGradClearsEveryGradient) {
  const NamedTensors parameters = three();
  for (const auto& [name, p] : parameters) Tensor(p).set_grad(ones(p.shape()));
  Adam optimizer(parameters);
  optimizer.zero_grad();
  for (const auto& [name, p] : parameters) EXPECT_FALSE(p.grad().defined());
}

TEST(Optimizer, KeepsItsLearningRate) {
  Adam optimizer(three(), {.lr = 0.5});
  EXPECT_EQ(optimizer.lr(), 0.5);
  optimizer.set_lr(0.25);
  EXPECT_EQ(optimizer.lr(), 0.25);
  EXPECT_EQ(error_of([&] { optimizer.set_lr(-1); }), "optimizer: wanted a finite lr >= 0; got -1");
  EXPECT_EQ(error_of([&] { optimizer.set_lr(std::numeric_limits<double>::infinity()); }),
            "optimizer: wanted a finite lr >= 0; got inf");
  EXPECT_EQ(error_of([&] { optimizer.set_lr(std::nan("")); }),
            "optimizer: wanted a finite lr >= 0; got nan");
  EXPECT_EQ(optimizer.lr(), 0.25);
}

TEST(Optimizer, RefusesParametersThatItCannotUse) {
  EXPECT_EQ(error_of([] { Adam(NamedTensors{}); }), "optimizer: wanted parameters; got none");
  const Tensor shared = leaf({2});
  EXPECT_EQ(error_of([&] {
              Adam({{"a", shared}, {"b", shared}});
            }),
            "optimizer: wanted each parameter once; got b again under another name");
  const NamedTensors a = {{"a", leaf({2})}}, also_a = {{"a", leaf({2})}};
  EXPECT_EQ(error_of([&] {
              Adam(std::vector<ParameterGroup>{{a}, {also_a}});
            }),
            "named tensors: wanted each name once; got a twice");
  EXPECT_EQ(error_of([] {
              Adam({{"a", arange(3)}});
            }),
            "optimizer: wanted parameters that are dense leaves of f32 or f64; got a i64[3]");
  EXPECT_EQ(error_of([] {
              Adam({{"a", leaf({2}) * 2.0}});
            }),
            "optimizer: wanted parameters that are dense leaves of f32 or f64; got a f32[2]");
  EXPECT_EQ(error_of([] {
              Adam({{"a", transpose(ones({2, 3}))}});
            }),
            "optimizer: wanted parameters that are dense leaves of f32 or f64; got a f32[3, 2]");
  EXPECT_EQ(error_of([] { Adam({{"a", Tensor()}}); }), "optimizer: parameter a is no tensor");
  EXPECT_EQ(error_of([&] { Adam(three(), {.weight_decay = -0.1}); }),
            "optimizer: wanted a finite weight_decay >= 0; got -0.1");
  EXPECT_EQ(error_of([&] { Adam(std::vector<ParameterGroup>{{.parameters = a, .lr_scale = -1}}); }),
            "optimizer: wanted a finite lr_scale >= 0; got -1");
}

}  // namespace
}  // namespace rapt::optim
