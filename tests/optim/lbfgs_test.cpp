#include "rapt/optim/lbfgs.h"

#include <gtest/gtest.h>

#include <cmath>

#include "on_a_problem.h"

namespace rapt::optim {
namespace {

using reference::close;
using reference::error_of;
using tests::leaves;

Tensor loss_of(const NamedTensors& p, const NamedTensors& data) {
  const Tensor hidden = tanh(linear(data["x"], p["w1"], p["b1"]));
  return mse_loss(linear(hidden, p["w2"]) + p["seldom"], data["target"]).mean();
}

TEST(LBFGS, AgreesWithPyTorch) {
  const std::vector<std::pair<const char*, LBFGSOptions>> cases = {
      {"lbfgs", {.iterations = 3}},
      {"lbfgs.history", {.lr = 3, .iterations = 2, .history = 2}},
      {"lbfgs.plain", {.lr = 0.1, .iterations = 4, .line_search = false}},
  };
  for (const auto& [name, options] : cases) {
    SCOPED_TRACE(name);
    const NamedTensors wanted = tests::recorded(name);
    const NamedTensors data = wanted.with_prefix("in.");
    const NamedTensors p = leaves(wanted.with_prefix("0."), Dtype::f64);
    LBFGS optimizer(p, options);
    const auto losses = wanted["losses"].values<double>();
    for (size_t step = 0; step < 10; ++step) {
      EXPECT_NEAR(optimizer.step([&] { return loss_of(p, data); }), losses[step], 1e-8) << step;
      for (const auto& [p_name, after] : wanted.with_prefix(text(step + 1, "."))) {
        EXPECT_TRUE(close(p[p_name].detach(), after, 1e-8)) << p_name << " after step " << step;
      }
    }
  }
}

TEST(LBFGS, SolvesSmallProblems) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    // Rosenbrock's valley, whose lowest point is (1, 1).
    const NamedTensors p = leaves({{"at", tensor({-1.2, 1}, dtype)}}, dtype);
    LBFGS optimizer(p);
    for (int i = 0; i < 5; ++i) {
      optimizer.step([&] {
        const Tensor x = select(p["at"], 0, 0), y = select(p["at"], 0, 1);
        return 100.0 * (y - x * x) * (y - x * x) + (1 - x) * (1 - x);
      });
    }
    EXPECT_TRUE(close(p["at"].detach(), tensor({1, 1}, dtype), 1e-3));
  }
}

TEST(LBFGS, GoesOnFromItsStateToTheBit) {
  const NamedTensors recorded = tests::recorded("lbfgs");
  const NamedTensors data = reference::converted(recorded.with_prefix("in."), Dtype::f32);
  const NamedTensors p = leaves(recorded.with_prefix("0."), Dtype::f32);
  const LBFGSOptions options{.iterations = 2, .history = 3};
  LBFGS optimizer(p, options);
  const auto run = [&](LBFGS& o, const NamedTensors& at) {
    for (int i = 0; i < 3; ++i) o.step([&] { return loss_of(at, data); });
  };
  run(optimizer, p);
  NamedTensors again;
  for (const auto& [name, x] : p) again.add(name, x.detach().clone().set_requires_grad());
  LBFGS resumed(again, options);
  resumed.load_state(optimizer.state());
  run(optimizer, p);
  run(resumed, again);
  for (const auto& [name, x] : p) {
    EXPECT_TRUE(tests::same_bits(x.detach(), again[name].detach())) << name;
  }
  LBFGS shorter(again, {.history = 1});
  EXPECT_EQ(error_of([&] { shorter.load_state(optimizer.state()); }),
            "LBFGS::load_state: wanted a history of at most 1 pairs; got 3; nothing was loaded");
}

TEST(LBFGS, GoesWhereTheLossIsFiniteAlone) {
  const NamedTensors p = leaves({{"a", tensor(3.0, Dtype::f64)}}, Dtype::f64);
  LBFGS optimizer(p, {.lr = 50});
  for (int i = 0; i < 5; ++i) {
    optimizer.step([&] { return p["a"] * p["a"] - log(p["a"]); });  // NaN at and below 0
  }
  EXPECT_NEAR(p["a"].item(), std::sqrt(0.5), 1e-6);
}

TEST(LBFGS, SaysWhatIsWrong) {
  const NamedTensors p = leaves({{"a", ones({2})}}, Dtype::f32);
  EXPECT_EQ(error_of([] { LBFGS(NamedTensors{}); }), "LBFGS: wanted parameters; got none");
  EXPECT_EQ(error_of([&] { LBFGS(p, {.lr = 0}); }), "LBFGS: wanted a finite lr > 0; got 0");
  EXPECT_EQ(error_of([&] { LBFGS(p, {.history = 0}); }),
            "LBFGS: wanted iterations >= 1, evaluations >= 0 and history >= 1; got 20, 0 and 0");
  LBFGS optimizer(p);
  EXPECT_EQ(error_of([&] { optimizer.step([&] { return p["a"] * 2.0; }); }),
            "LBFGS::step: wanted a loss of one element; got [2]");
}

}  // namespace
}  // namespace rapt::optim
