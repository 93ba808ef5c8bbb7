// What every optimizer promises.

#include <gtest/gtest.h>

#include <cmath>

#include "all_optimizers.h"
#include "on_a_problem.h"
#include "rapt/autograd/threads.h"
#include "rapt/nn/linear.h"

namespace rapt::optim {
namespace {

using reference::error_of;
using tests::all_optimizers;
using tests::leaves;
using tests::OptimizerCase;
using tests::same_bits;

NamedTensors data() {
  return reference::converted(tests::recorded("sgd").with_prefix("in."), Dtype::f32);
}
NamedTensors start() { return leaves(tests::recorded("sgd").with_prefix("0."), Dtype::f32); }

void run(const NamedTensors& p, Optimizer& optimizer, int from, int to) {
  static const NamedTensors in = data();
  for (int step = from; step < to; ++step) {
    optimizer.zero_grad();
    tests::backward(p, in, step);
    optimizer.step();
  }
}

/// Copies, as a file would hold them.
NamedTensors saved(const NamedTensors& tensors) {
  NamedTensors out;
  for (const auto& [name, tensor] : tensors) out.add(name, tensor.detach().clone());
  out.set_configuration(tensors.configuration());
  return out;
}

void expect_same(const NamedTensors& a, const NamedTensors& b) {
  for (const auto& [name, tensor] : a) {
    EXPECT_TRUE(same_bits(tensor.detach(), b[name].detach())) << name;
  }
}

class EveryOptimizer : public testing::TestWithParam<OptimizerCase> {};

TEST_P(EveryOptimizer, LearnsTheProblem) {
  const NamedTensors p = start(), in = data();
  const auto loss = [&] {
    const Tensor y = linear(tanh(linear(in["x"], p["w1"], p["b1"])), p["w2"]) + p["seldom"];
    return mse_loss(y, in["target"]).mean().item();
  };
  const auto optimizer = GetParam().make(p);
  if (optimizer->lr() < 1) optimizer->set_lr(0.02);  // Adadelta's is 1
  const double before = loss();
  for (int i = 0; i < 60; ++i) run(p, *optimizer, 1, 2);
  EXPECT_LT(loss(), 0.9 * before);
}

TEST_P(EveryOptimizer, GoesOnFromItsStateToTheBit) {
  const NamedTensors p = start();
  const auto optimizer = GetParam().make(p);
  optimizer->set_lr(0.03);
  run(p, *optimizer, 0, 5);
  const NamedTensors middle = saved(p), state = saved(optimizer->state());
  run(p, *optimizer, 5, 10);

  const NamedTensors again = leaves(middle, Dtype::f32);
  const auto resumed = GetParam().make(again);
  resumed->load_state(state);
  EXPECT_EQ(resumed->lr(), 0.03);
  run(again, *resumed, 5, 10);
  expect_same(p, again);
  expect_same(optimizer->state(), resumed->state());
}

TEST_P(EveryOptimizer, ClipsInTheStepAsBeforeIt) {
  for (const double limit : {0.05, 100.0}) {
    const NamedTensors one = start(), two = start();
    const auto first = GetParam().make(one), second = GetParam().make(two);
    for (int step = 0; step < 4; ++step) {
      first->zero_grad();
      second->zero_grad();
      tests::backward(one, data(), step);
      tests::backward(two, data(), step);
      const double norm = clip_grad_norm(two, limit);
      EXPECT_NEAR(first->step_clipped(limit), norm, 1e-5);
      second->step();
      for (const auto& [name, p] : one) {
        EXPECT_TRUE(tests::close(p.detach(), two[name].detach(), 1e-5)) << name << " " << step;
      }
    }
  }
}

TEST_P(EveryOptimizer, LeavesAParameterWithoutAGradientAlone) {
  const NamedTensors p = leaves({{"a", ones({2, 2})}, {"b", ones({2, 2})}}, Dtype::f32);
  const auto optimizer = GetParam().make(p);
  Tensor(p["a"]).set_grad(ones({2, 2}));
  optimizer->step();
  EXPECT_FALSE(same_bits(p["a"].detach(), ones({2, 2})));
  EXPECT_TRUE(same_bits(p["b"].detach(), ones({2, 2})));
  EXPECT_EQ(optimizer->state()["step.a"].item(), 1);
  EXPECT_EQ(optimizer->state()["step.b"].item(), 0);
}

TEST_P(EveryOptimizer, LeavesOutAStepWhoseNormIsNotFinite) {
  const NamedTensors p = start();
  const auto optimizer = GetParam().make(p);
  run(p, *optimizer, 0, 2);
  const NamedTensors before = saved(p), state = saved(optimizer->state());
  for (const auto& [name, tensor] : p) Tensor(tensor).set_grad(ones(tensor.shape()));
  Tensor(p["b1"]).set_grad(full({4}, std::nan("")));
  EXPECT_TRUE(std::isnan(optimizer->step_clipped(1)));
  expect_same(p, before);
  expect_same(optimizer->state(), state);
}

TEST_P(EveryOptimizer, GivesTheSameBitsForAnyNumberOfThreads) {
  const int before = num_threads();
  const auto run_on = [](int threads) {
    set_num_threads(threads);
    Rng rng(1);
    const NamedTensors p =
        leaves({{"a", rng.normal({150, 201})}, {"b", rng.normal({70000})}}, Dtype::f32);
    const auto optimizer = GetParam().make(p);
    for (int step = 0; step < 3; ++step) {
      for (const auto& [name, tensor] : p) Tensor(tensor).set_grad(rng.normal(tensor.shape()));
      optimizer->step();
    }
    return saved(p);
  };
  const NamedTensors one = run_on(1);
  expect_same(run_on(2), one);
  expect_same(run_on(5), one);
  set_num_threads(before);
}

TEST_P(EveryOptimizer, RefusesTheStateOfAnother) {
  const NamedTensors p = start();
  const auto optimizer = GetParam().make(p);
  const NamedTensors mine = saved(p);
  for (const OptimizerCase& other : all_optimizers()) {
    const NamedTensors q = start();
    const auto stranger = other.make(q);
    if (stranger->name() == optimizer->name()) continue;
    run(q, *stranger, 0, 2);
    EXPECT_EQ(error_of([&] { optimizer->load_state(stranger->state()); }),
              text("load_state: wanted the state of ", optimizer->name(), "; got that of ",
                   stranger->name(), "; nothing was loaded"));
  }
  EXPECT_EQ(optimizer->state()["step.w1"].item(), 0);
}

TEST_P(EveryOptimizer, NoticesAChangedDtype) {
  Rng rng(1);
  nn::Linear layer(2, 2, rng);
  const auto optimizer = GetParam().make(layer.parameters());
  layer.to(Dtype::f64);
  sum(layer(ones({1, 2}, Dtype::f64))).backward();
  EXPECT_EQ(error_of([&] { optimizer->step(); }),
            optimizer->name() +
                ": wanted weight as f32, as it was given; got f64 (build the "
                "optimizer after Module::to)");
}

INSTANTIATE_TEST_SUITE_P(All, EveryOptimizer, testing::ValuesIn(all_optimizers()),
                         [](const auto& of) {
                           std::string name;
                           for (const char c : std::string(of.param.name)) {
                             if (std::isalnum(static_cast<unsigned char>(c))) name += c;
                           }
                           return name;
                         });

}  // namespace
}  // namespace rapt::optim
