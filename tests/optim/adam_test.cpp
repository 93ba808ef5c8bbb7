#include "rapt/optim/adam.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "../reference/reference.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/threads.h"
#include "rapt/nn/linear.h"
#include "rapt/optim/clip.h"

namespace rapt::optim {
namespace {

using reference::close;
using reference::error_of;
using reference::names;
using Names = std::vector<std::string>;

NamedTensors leaves(const NamedTensors& from, Dtype dtype) {
  NamedTensors out = reference::converted(from, dtype);
  for (const auto& [name, tensor] : out) Tensor(tensor).set_requires_grad();
  return out;
}

/// The problem of make_layers.py: `seldom` has a gradient in every second step.
void backward(const NamedTensors& p, const NamedTensors& data, int step) {
  const Tensor hidden = tanh(linear(data["x"], p["w1"], p["b1"]));
  Tensor y = linear(hidden, p["w2"]);
  if (step % 2 == 1) y = y + p["seldom"];
  mse_loss(y, data["target"]).mean().backward();
}

/// Ten steps, each with PyTorch's parameters after it, and PyTorch's moments in the end.
template <class Make>
void expect_as_pytorch(const std::string& name, Make make) {
  const NamedTensors wanted = reference::file("optim").with_prefix(name + "/");
  ASSERT_FALSE(wanted.empty()) << name;
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    SCOPED_TRACE(name + " in " + std::string(name_of(dtype)));
    const NamedTensors data = reference::converted(wanted.with_prefix("in."), dtype);
    const NamedTensors parameters = leaves(wanted.with_prefix("0."), dtype);
    const std::unique_ptr<Optimizer> optimizer = make(parameters);
    for (int step = 0; step < 10; ++step) {
      optimizer->zero_grad();
      backward(parameters, data, step);
      optimizer->step();
      for (const auto& [p_name, p] : wanted.with_prefix(std::to_string(step + 1) + ".")) {
        EXPECT_TRUE(close(parameters[p_name], p, reference::tolerance(dtype)))
            << p_name << " after step " << step;
      }
    }
    const NamedTensors state = optimizer->state();
    for (const char* kind : {"step.", "exp_avg.", "exp_avg_sq."}) {
      for (const auto& [p_name, p] : wanted.with_prefix(kind)) {
        EXPECT_TRUE(close(state[kind + p_name], p, reference::tolerance(dtype))) << kind << p_name;
      }
    }
  }
}

std::vector<ParameterGroup> groups(const NamedTensors& p) {
  return {{.parameters = {{"w1", p["w1"]}, {"w2", p["w2"]}}, .weight_decay = 0.2},
          {.parameters = {{"b1", p["b1"]}, {"seldom", p["seldom"]}},
           .weight_decay = 0,
           .lr_scale = 0.5}};
}

TEST(Adam, AgreesWithPyTorch) {
  expect_as_pytorch("adam", [](const NamedTensors& p) {
    return std::make_unique<Adam>(p, AdamOptions{.lr = 0.05});
  });
}

TEST(Adam, DecaysThroughTheGradientAsPyTorch) {
  expect_as_pytorch("adam.l2", [](const NamedTensors& p) {
    return std::make_unique<Adam>(
        p, AdamOptions{.lr = 0.05, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6, .weight_decay = 0.1});
  });
}

TEST(Adam, TakesGroupsAsPyTorch) {
  expect_as_pytorch("adam.groups", [](const NamedTensors& p) {
    return std::make_unique<Adam>(groups(p), AdamOptions{.lr = 0.05});
  });
}

TEST(AdamW, AgreesWithPyTorch) {
  expect_as_pytorch("adamw", [](const NamedTensors& p) {
    return std::make_unique<AdamW>(p, AdamWOptions{.lr = 0.05});
  });
}

TEST(AdamW, TakesGroupsAsPyTorch) {
  expect_as_pytorch("adamw.groups", [](const NamedTensors& p) {
    return std::make_unique<AdamW>(groups(p), AdamWOptions{.lr = 0.05});
  });
  expect_as_pytorch("adamw.groups", [](const NamedTensors& p) {  // 0.2 and 0 in another way
    std::vector<ParameterGroup> unset = groups(p);
    unset[0].weight_decay.reset();
    return std::make_unique<AdamW>(unset, AdamWOptions{.lr = 0.05, .weight_decay = 0.2});
  });
}

TEST(Adam, LeavesAParameterWithoutAGradientAlone) {
  const NamedTensors parameters = leaves({{"a", ones({2})}, {"b", ones({2})}}, Dtype::f32);
  AdamW optimizer(parameters, {.lr = 0.1, .weight_decay = 0.5});
  Tensor(parameters["a"]).set_grad(ones({2}));
  optimizer.step();
  EXPECT_NE(parameters["a"].values<float>(), (std::vector<float>{1, 1}));
  EXPECT_EQ(parameters["b"].values<float>(), (std::vector<float>{1, 1}));
  EXPECT_EQ(optimizer.state()["step.a"].item(), 1);
  EXPECT_EQ(optimizer.state()["step.b"].item(), 0);
}

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

TEST(StepClipped, LeavesOutAStepWhoseNormIsNotFinite) {
  const NamedTensors leaves = of_norm_13(Dtype::f32);
  AdamW optimizer(leaves);
  Tensor(leaves["b"]).set_grad(tensor({0, std::nan("")}));
  EXPECT_TRUE(std::isnan(optimizer.step_clipped(1)));
  EXPECT_EQ(leaves["a"].values<float>(), (std::vector<float>{1, -2}));
  EXPECT_EQ(optimizer.state()["step.a"].item(), 0);
  EXPECT_EQ(error_of([&] { optimizer.step_clipped(0); }),
            "step_clipped: wanted max_norm > 0; got 0");
}

TEST(Adam, NamesItsState) {
  const NamedTensors parameters = leaves({{"a", ones({2})}, {"x.b", ones({1, 3})}}, Dtype::f32);
  const NamedTensors state = Adam(parameters).state();
  EXPECT_EQ(names(state), (Names{"lr", "step.a", "exp_avg.a", "exp_avg_sq.a", "step.x.b",
                                 "exp_avg.x.b", "exp_avg_sq.x.b"}));
  EXPECT_EQ(state["exp_avg.x.b"].shape(), (Shape{1, 3}));
}

/// Copies, as a file would hold them.
NamedTensors saved(const NamedTensors& state) {
  NamedTensors out;
  for (const auto& [name, tensor] : state) out.add(name, tensor.detach().clone());
  return out;
}

TEST(Adam, GoesOnFromItsStateToTheBit) {
  const NamedTensors reference = reference::file("optim").with_prefix("adamw/");
  const NamedTensors data = reference::converted(reference.with_prefix("in."), Dtype::f32);
  const NamedTensors parameters = leaves(reference.with_prefix("0."), Dtype::f32);
  AdamW optimizer(parameters);
  const auto run = [&](const NamedTensors& p, Optimizer& o, int from, int to) {
    for (int step = from; step < to; ++step) {
      o.zero_grad();
      backward(p, data, step);
      o.step();
    }
  };
  optimizer.set_lr(0.03);
  run(parameters, optimizer, 0, 5);
  const NamedTensors middle = saved(parameters), state = saved(optimizer.state());
  run(parameters, optimizer, 5, 10);

  const NamedTensors again = leaves(middle, Dtype::f32);
  AdamW resumed(again);
  resumed.load_state(state);
  EXPECT_EQ(resumed.lr(), 0.03);
  run(again, resumed, 5, 10);
  for (const auto& [name, p] : parameters) {
    EXPECT_EQ(p.values<float>(), again[name].values<float>()) << name;
  }
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

TEST(Adam, GivesTheSameBitsForAnyNumberOfThreads) {
  const int before = num_threads();
  const auto run = [](int threads) {
    set_num_threads(threads);
    Rng rng(1);
    const NamedTensors p = leaves({{"a", rng.normal({300, 301})}}, Dtype::f32);
    AdamW optimizer(p);
    for (int step = 0; step < 2; ++step) {
      Tensor(p["a"]).set_grad(rng.normal({300, 301}));
      optimizer.step();
    }
    return p["a"].values<float>();
  };
  const auto one = run(1);
  EXPECT_EQ(run(2), one);
  EXPECT_EQ(run(5), one);
  set_num_threads(before);
}

TEST(Adam, NoticesAChangedDtype) {
  Rng rng(1);
  nn::Linear layer(2, 2, rng);
  Adam optimizer(layer.parameters());
  layer.to(Dtype::f64);
  sum(layer(ones({1, 2}, Dtype::f64))).backward();
  EXPECT_EQ(error_of([&] { optimizer.step(); }),
            "Adam: wanted weight as f32, as it was given; got f64 (build the optimizer after "
            "Module::to)");
}

TEST(Adam, RefusesBadSettings) {
  const NamedTensors p = leaves({{"a", ones({2})}}, Dtype::f32);
  EXPECT_EQ(error_of([&] { Adam(p, {.beta1 = 1}); }),
            "Adam: wanted beta1 and beta2 in [0, 1); got 1");
  EXPECT_EQ(error_of([&] { AdamW(p, {.beta2 = -0.5}); }),
            "Adam: wanted beta1 and beta2 in [0, 1); got -0.5");
  EXPECT_EQ(error_of([&] { AdamW(p, {.eps = -1}); }), "Adam: wanted eps >= 0; got -1");
  EXPECT_EQ(error_of([&] { AdamW(p, {.lr = std::nan("")}); }),
            "optimizer: wanted a finite lr >= 0; got nan");
}

}  // namespace
}  // namespace rapt::optim
