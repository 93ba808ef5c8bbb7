// The optimizers that PyTorch 2.6 does not have, step by step against their papers' formulas.

#include <gtest/gtest.h>

#include <cmath>

#include "on_a_problem.h"
#include "rapt/optim/optim.h"

namespace rapt::optim {
namespace {

using tests::close;

/// One parameter by the formula: its value, what is kept for it, and its steps.
struct ByHand {
  Tensor w, m, v;
  int t = 0;
};

/// Ten steps of both on the problem; step(name, one, gradient) is the formula.
template <class Make, class Step>
void expect_formula(Make make, Step step) {
  const NamedTensors recorded = tests::recorded("sgd");
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    SCOPED_TRACE(name_of(dtype));
    const NamedTensors data = reference::converted(recorded.with_prefix("in."), dtype);
    const NamedTensors parameters = tests::leaves(recorded.with_prefix("0."), dtype);
    const auto optimizer = make(parameters);
    std::map<std::string, ByHand> by_hand;
    for (const auto& [name, p] : parameters) {
      const Tensor exact = p.detach().clone().to(Dtype::f64);
      by_hand[name] = {exact, exact * 0.0, exact * 0.0};
    }
    for (int i = 0; i < 10; ++i) {
      NamedTensors exact;
      for (const auto& [name, one] : by_hand) exact.add(name, one.w.clone().set_requires_grad());
      tests::backward(exact, reference::converted(recorded.with_prefix("in."), Dtype::f64), i);
      optimizer->zero_grad();
      tests::backward(parameters, data, i);
      optimizer->step();
      for (auto& [name, one] : by_hand) {
        if (const Tensor g = exact[name].grad(); g.defined()) {
          ++one.t;
          step(name, one, g);
        }
        const double allowed = dtype == Dtype::f32 ? 2e-5 : 1e-10;
        EXPECT_TRUE(close(parameters[name].detach(), one.w.to(dtype), allowed))
            << name << " after step " << i;
      }
    }
  }
}

double length(const Tensor& x) { return std::sqrt(sum(x * x).item()); }

TEST(Formula, Lion) {
  expect_formula(
      [](const NamedTensors& p) {
        return std::make_unique<Lion>(
            p, LionOptions{.lr = 0.01, .beta1 = 0.8, .beta2 = 0.9, .weight_decay = 0.1});
      },
      [](const std::string&, ByHand& p, const Tensor& g) {
        p.w = p.w - 0.01 * (sign(0.8 * p.m + 0.2 * g) + 0.1 * p.w);
        p.m = 0.9 * p.m + 0.1 * g;
      });
}

TEST(Formula, LAMB) {
  expect_formula(
      [](const NamedTensors& p) {
        return std::make_unique<LAMB>(
            p, LAMBOptions{.lr = 0.05, .beta1 = 0.8, .beta2 = 0.9, .weight_decay = 0.1});
      },
      [](const std::string&, ByHand& p, const Tensor& g) {
        p.m = 0.8 * p.m + 0.2 * g;
        p.v = 0.9 * p.v + 0.1 * g * g;
        const Tensor m = p.m / (1 - std::pow(0.8, p.t)), v = p.v / (1 - std::pow(0.9, p.t));
        const Tensor r = m / (sqrt(v) + 1e-6) + 0.1 * p.w;
        p.w = p.w - 0.05 * length(p.w) / length(r) * r;
      });
}

TEST(Formula, LAMBOfAParameterThatIsZeroTakesAPlainStep) {
  const NamedTensors p = tests::leaves({{"a", zeros({2})}}, Dtype::f64);
  Tensor(p["a"]).set_grad(tensor({3, -0.5}, Dtype::f64));
  LAMB optimizer(p, {.lr = 0.25});
  optimizer.step();
  EXPECT_TRUE(close(p["a"].detach(), tensor({-0.25, 0.25}, Dtype::f64), 1e-5));
}

/// As the author has it: five times, on the transposed matrix if it is a tall one.
Tensor newton_schulz(const Tensor& g) {
  const bool tall = g.size(0) > g.size(1);
  Tensor x = (tall ? transpose(g) : g) / (length(g) + 1e-7);
  for (int i = 0; i < 5; ++i) {
    const Tensor a = matmul(x, transpose(x)), aa = matmul(a, a);
    x = 3.4445 * x + matmul(-4.7750 * a + 2.0315 * aa, x);
  }
  return tall ? transpose(x) : x;
}

TEST(Formula, Muon) {
  for (const bool nesterov : {true, false}) {
    expect_formula(
        [&](const NamedTensors& p) {
          const NamedTensors matrices = {{"w1", p["w1"]}, {"w2", p["w2"]}};
          const NamedTensors others = {{"b1", p["b1"]}, {"seldom", p["seldom"]}};
          return std::make_unique<Muon>(matrices, others,
                                        MuonOptions{.lr = 0.02,
                                                    .momentum = 0.9,
                                                    .nesterov = nesterov,
                                                    .weight_decay = 0.1,
                                                    .adamw = {.lr = 0.01, .weight_decay = 0.3}});
        },
        [&](const std::string& name, ByHand& p, const Tensor& g) {
          if (name[0] == 'w') {
            p.m = 0.9 * p.m + 0.1 * g;
            const Tensor u = nesterov ? 0.1 * g + 0.9 * p.m : p.m;
            const double n = static_cast<double>(g.size(0)), m = static_cast<double>(g.size(1));
            p.w =
                (1 - 0.02 * 0.1) * p.w - 0.02 * std::sqrt(std::max(1.0, n / m)) * newton_schulz(u);
            return;
          }
          p.m = 0.9 * p.m + 0.1 * g;
          p.v = 0.999 * p.v + 0.001 * g * g;
          const Tensor m = p.m / (1 - std::pow(0.9, p.t)), v = p.v / (1 - std::pow(0.999, p.t));
          p.w = (1 - 0.01 * 0.3) * p.w - 0.01 * m / (sqrt(v) + 1e-8);
        });
  }
}

TEST(Muon, SaysWhatIsWrong) {
  const NamedTensors w = tests::leaves({{"w", ones({2, 3})}}, Dtype::f32);
  const NamedTensors b = tests::leaves({{"b", ones({3})}}, Dtype::f32);
  EXPECT_EQ(tests::error_of([&] { Muon(w, b, {.lr = 0}); }), "Muon: wanted lr > 0; got 0");
  EXPECT_EQ(tests::error_of([&] { Muon(b, w); }),
            "Muon: wanted matrices [n, m]; got b [3] (AdamW takes the others)");
  const std::vector<ParameterGroup> with_beta = {{.parameters = w, .beta1 = 0.5}}, none;
  EXPECT_EQ(tests::error_of([&] { Muon(with_beta, none); }),
            "Muon: matrices have no beta1 and beta2; a group set one");
}

TEST(Muon, BringsSingularValuesNearToOne) {
  Rng rng(1);
  const NamedTensors p = tests::leaves({{"w", zeros({6, 20})}}, Dtype::f64);
  Tensor(p["w"]).set_grad(rng.normal({6, 20}, 0, 1, Dtype::f64));
  Muon(p, {}, {.lr = 1}).step();
  const Tensor moved = p["w"].detach(), gram = matmul(moved, transpose(moved));
  // trace and largest row sum bound the squares of the singular values.
  EXPECT_GT(sum(diagonal(gram)).item(), 6 * 0.4);
  EXPECT_LT(sum(diagonal(gram)).item(), 6 * 1.5);
}

}  // namespace
}  // namespace rapt::optim
