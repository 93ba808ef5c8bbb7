#include "rapt/optim/adam.h"

#include <gtest/gtest.h>

#include <cmath>

#include "on_a_problem.h"
#include "rapt/optim/clip.h"

namespace rapt::optim {
namespace {

using reference::close;
using reference::error_of;
using reference::names;
using tests::leaves;
using Names = std::vector<std::string>;

TEST(Adam, TakesAGradientThatIsAStridedView) {
  const auto stepped = [](const Tensor& gradient) {
    const NamedTensors p = leaves({{"a", ones({2, 3})}}, Dtype::f32);
    Tensor(p["a"]).set_grad(gradient);
    Adam optimizer(p);
    optimizer.step();
    return p["a"].values<float>();
  };
  const Tensor view = transpose(tensor({{1, -2}, {3, -4}, {-5, 6}}));
  EXPECT_EQ(stepped(view), stepped(view.contiguous()));
}

/// Two parameters with gradients of norm 13.
NamedTensors of_norm_13(Dtype dtype) {
  NamedTensors leaves;
  leaves.add("a", tensor({1, -2}, dtype).set_requires_grad());
  leaves.add("b", tensor({0.5, 3}, dtype).set_requires_grad());
  Tensor(leaves["a"]).set_grad(tensor({3, 4}, dtype));
  Tensor(leaves["b"]).set_grad(tensor({0, -12}, dtype));
  return leaves;
}

TEST(StepClipped, IsClippingAndThenAStep) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    for (const double limit : {0.5, 100.0}) {
      const NamedTensors one = of_norm_13(dtype), two = of_norm_13(dtype);
      // With L2 decay, so that the size of the gradient matters.
      Adam first(one, {.lr = 0.1, .weight_decay = 0.1}),
          second(two, {.lr = 0.1, .weight_decay = 0.1});
      for (int i = 0; i < 2; ++i) {
        const NamedTensors again = of_norm_13(dtype);
        for (const auto& [name, leaf] : two) Tensor(leaf).set_grad(again[name].grad());
        EXPECT_NEAR(first.step_clipped(limit), 13, 1e-12);
        EXPECT_NEAR(clip_grad_norm(two, limit), 13, 1e-12);
        second.step();
      }
      for (const auto& [name, leaf] : one) {
        EXPECT_TRUE(close(leaf.detach(), two[name].detach(), reference::tolerance(dtype))) << name;
        EXPECT_TRUE(close(leaf.grad(), of_norm_13(dtype)[name].grad(), 0)) << name;
      }
    }
  }
}

TEST(Adam, NamesItsState) {
  const NamedTensors parameters = leaves({{"a", ones({2})}, {"x.b", ones({1, 3})}}, Dtype::f32);
  const NamedTensors state = Adam(parameters).state();
  EXPECT_EQ(names(state), (Names{"lr", "step.a", "exp_avg.a", "exp_avg_sq.a", "step.x.b",
                                 "exp_avg.x.b", "exp_avg_sq.x.b"}));
  EXPECT_EQ(state["exp_avg.x.b"].shape(), (Shape{1, 3}));
}

TEST(Adam, RefusesAStateThatDoesNotFit) {
  const NamedTensors a = leaves({{"a", ones({2})}}, Dtype::f32);
  const NamedTensors b = leaves({{"a", ones({3})}, {"b", ones({2})}}, Dtype::f32);
  Adam optimizer(a), other(b, {.lr = 0.7});
  const std::string text = error_of([&] { optimizer.load_state(other.state()); });
  EXPECT_EQ(text,
            "load_state: the tensors do not fit; nothing was loaded\n"
            "  different: exp_avg.a, wanted f32[2]; got f32[3]\n"
            "  different: exp_avg_sq.a, wanted f32[2]; got f32[3]\n"
            "  unexpected: step.b i64[]\n"
            "  unexpected: exp_avg.b f32[2]\n"
            "  unexpected: exp_avg_sq.b f32[2]");
  EXPECT_EQ(optimizer.lr(), 1e-3);
}

TEST(Adam, RefusesBadSettings) {
  const NamedTensors p = leaves({{"a", ones({2})}}, Dtype::f32);
  EXPECT_EQ(error_of([&] { Adam(p, {.beta1 = 1}); }), "Adam: wanted beta1 in [0, 1); got 1");
  EXPECT_EQ(error_of([&] { AdamW(p, {.beta2 = -0.5}); }),
            "AdamW: wanted beta2 in [0, 1); got -0.5");
  EXPECT_EQ(error_of([&] { AdamW(p, {.eps = -1}); }), "AdamW: wanted a finite eps >= 0; got -1");
  EXPECT_EQ(error_of([&] { AdamW(p, {.lr = std::nan("")}); }),
            "AdamW: wanted a finite lr >= 0; got nan");
}

}  // namespace
}  // namespace rapt::optim
