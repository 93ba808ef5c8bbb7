#include "rapt/optim/optimizer.h"

#include <gtest/gtest.h>

#include <limits>

#include "../reference/reference.h"
#include "rapt/optim/optim.h"

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
  EXPECT_EQ(error_of([&] { optimizer.set_lr(-1); }), "Adam: wanted a finite lr >= 0; got -1");
  EXPECT_EQ(error_of([&] { optimizer.set_lr(std::numeric_limits<double>::infinity()); }),
            "Adam: wanted a finite lr >= 0; got inf");
  EXPECT_EQ(error_of([&] { optimizer.set_lr(std::nan("")); }),
            "Adam: wanted a finite lr >= 0; got nan");
  EXPECT_EQ(optimizer.lr(), 0.25);
}

TEST(Optimizer, RefusesParametersThatItCannotUse) {
  EXPECT_EQ(error_of([] { Adam(NamedTensors{}); }), "Adam: wanted parameters; got none");
  const Tensor shared = leaf({2});
  EXPECT_EQ(error_of([&] {
              Adam({{"a", shared}, {"b", shared}});
            }),
            "Adam: wanted each parameter once; got b again under another name");
  const NamedTensors a = {{"a", leaf({2})}}, also_a = {{"a", leaf({2})}};
  EXPECT_EQ(error_of([&] {
              Adam(std::vector<ParameterGroup>{{a}, {also_a}});
            }),
            "named tensors: wanted each name once; got a twice");
  EXPECT_EQ(error_of([] {
              Adam({{"a", arange(3)}});
            }),
            "Adam: wanted parameters that are dense leaves of f32 or f64; got a i64[3]");
  EXPECT_EQ(error_of([] {
              Adam({{"a", leaf({2}) * 2.0}});
            }),
            "Adam: wanted parameters that are dense leaves of f32 or f64; got a f32[2]");
  EXPECT_EQ(error_of([] {
              Adam({{"a", transpose(ones({2, 3}))}});
            }),
            "Adam: wanted parameters that are dense leaves of f32 or f64; got a f32[3, 2]");
  EXPECT_EQ(error_of([] { Adam({{"a", Tensor()}}); }), "Adam: parameter a is no tensor");
  EXPECT_EQ(error_of([&] { Adam(three(), {.weight_decay = -0.1}); }),
            "Adam: wanted a finite weight_decay >= 0; got -0.1");
  EXPECT_EQ(error_of([&] { Adam(std::vector<ParameterGroup>{{.parameters = a, .lr_scale = -1}}); }),
            "Adam: wanted a finite lr_scale >= 0; got -1");
}

TEST(Optimizer, GroupsHaveBetasOfTheirOwn) {
  using Groups = std::vector<ParameterGroup>;
  EXPECT_EQ(error_of([] { SGD(Groups{{.parameters = three(), .beta1 = 0.5}}); }),
            "SGD: has no beta1; a group set it to 0.5");
  EXPECT_EQ(error_of([] { Lion(Groups{{.parameters = three(), .beta2 = 1.5}}); }),
            "Lion: wanted beta2 in [0, 1); got 1.5");
}

TEST(Optimizer, OfTwoModelsTellsThemApartByPrefix) {
  const NamedTensors one = three(), two = three();
  Adam both(std::vector<ParameterGroup>{{.parameters = one, .prefix = "encoder."},
                                        {.parameters = two, .prefix = "decoder."}});
  EXPECT_TRUE(both.state().contains("exp_avg.encoder.bias"));
  EXPECT_TRUE(both.state().contains("exp_avg.decoder.bias"));
  Tensor(two["bias"]).set_grad(ones({3}));
  both.step();
  EXPECT_EQ(both.state()["step.encoder.bias"].item(), 0);
  EXPECT_EQ(both.state()["step.decoder.bias"].item(), 1);
}

TEST(Optimizer, RefusesAStateThatCannotBe) {
  const NamedTensors p = three();
  Adam optimizer(p);
  for (const auto& [name, wrong] :
       std::vector<NamedTensors::Entry>{{"lr", tensor(std::nan(""), Dtype::f64)},
                                        {"lr", tensor(-0.5, Dtype::f64)},
                                        {"step.bias", from_values<int64_t>({-1}, {})}}) {
    NamedTensors state;
    for (const auto& [at, tensor] : optimizer.state()) {
      state.add(at, at == name ? wrong : ones(tensor.shape(), tensor.dtype()));
    }
    EXPECT_EQ(
        error_of([&] { optimizer.load_state(state); }),
        text("load_state: wanted ", name, " >= 0; got ", wrong.item(), "; nothing was loaded"));
    EXPECT_EQ(sum(optimizer.state()["exp_avg.bias"]).item(), 0);
    EXPECT_EQ(optimizer.lr(), 1e-3);
  }
}

// As the header shows it.
class Momentum : public Optimizer {
 public:
  explicit Momentum(const NamedTensors& parameters)
      : Optimizer("Momentum", {{.parameters = parameters}}, {.lr = 0.1}) {
    keep("velocity");
  }
  void update(std::span<Slot* const> slots, double gradient_factor) override {
    elementwise<1>(slots, gradient_factor, [&](const Slot& slot) {
      const double lr = lr_of(slot);
      return [lr](auto g, auto& w, auto& velocity) {
        using T = decltype(g);
        velocity = T(0.9) * velocity + g;
        w -= T(lr) * velocity;
      };
    });
  }
};

TEST(Optimizer, OfOnesOwnIsItsFormula) {
  const NamedTensors one = three(), two = three();
  Momentum mine(one);
  SGD wanted(two, {.lr = 0.1, .momentum = 0.9});
  for (int i = 0; i < 3; ++i) {
    for (const NamedTensors& p : {one, two})
      Tensor(p["bias"]).set_grad(tensor({1, -2, 3}) * (i + 1));
    mine.step();
    wanted.step();
  }
  EXPECT_TRUE(reference::close(one["bias"].detach(), two["bias"].detach(), 1e-6));
  EXPECT_EQ(names(mine.state()), (Names{"lr", "step.weight", "velocity.weight", "step.bias",
                                        "velocity.bias", "step.kernel", "velocity.kernel"}));
}

}  // namespace
}  // namespace rapt::optim
