#include "rapt/nn/gradient_flow.h"

#include <gtest/gtest.h>

#include <limits>

#include "../reference/reference.h"
#include "rapt/nn/linear.h"
#include "rapt/nn/models/stack.h"

namespace rapt::nn {
namespace {

using reference::error_of;

Tensor with_gradient(const Tensor& gradient) {
  Tensor parameter = ones(gradient.shape(), gradient.dtype());
  parameter.set_requires_grad();
  parameter.set_grad(gradient);
  return parameter;
}

TEST(GradientFlow, IsContentWhenEveryParameterWasReached) {
  const GradientFlow flow =
      check_gradient_flow({{"a", with_gradient(tensor({0, 1}))},
                           {"b", with_gradient(full({2, 2}, 1e-30, Dtype::f64))}});
  EXPECT_TRUE(flow);
  EXPECT_EQ(flow.text, "");
}

TEST(GradientFlow, NamesWhatIsMissingZeroAndNotFinite) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  Tensor unused = ones({2});
  unused.set_requires_grad();
  const GradientFlow flow =
      check_gradient_flow({{"fine", with_gradient(tensor({1, 2}))},
                           {"unused", unused},
                           {"flat", with_gradient(tensor({0, 0}))},
                           {"nan", with_gradient(tensor({0, nan}))},
                           {"inf", with_gradient(tensor({-infinity, 1}, Dtype::f64))}});
  EXPECT_FALSE(flow);
  EXPECT_EQ(flow.missing, std::vector<std::string>{"unused"});
  EXPECT_EQ(flow.zero, std::vector<std::string>{"flat"});
  EXPECT_EQ(flow.non_finite, (std::vector<std::string>{"nan", "inf"}));
  EXPECT_EQ(flow.text,
            "no gradient: unused\ngradient of zeros: flat\ngradient not finite: nan, inf");
}

TEST(GradientFlow, SeesWhatBackwardDid) {
  Tensor a = tensor({1, 2}), b = tensor({3, 4}), c = tensor({5, 6});
  for (Tensor* t : {&a, &b, &c}) t->set_requires_grad();
  sum(a * b * 0.0 + a).backward();
  const GradientFlow flow = check_gradient_flow({{"a", a}, {"b", b}, {"c", c}});
  EXPECT_EQ(flow.text, "no gradient: c\ngradient of zeros: b");
}

/// Two maps, of which one may be forgotten.
class TwoMaps : public Module {
 public:
  TwoMaps(bool forgets, Rng& rng)
      : first(child("first", Linear(3, 4, rng))), second(4, 2, rng, {.bias = false}) {
    if (!forgets) child("second", second);
  }
  Tensor operator()(const Tensor& x) const { return second(tanh(first(x))); }
  Linear first, second;
};

TEST(GradientFlow, NamesWhatTheLossTrainsAndTheModelDoesNotHave) {
  Rng rng(1);
  const Tensor x = rng.normal({5, 3});
  const auto text_of = [&](const TwoMaps& model) {
    return check_gradient_flow(model.parameters(), sum(square(model(x)))).text;
  };
  TwoMaps model(false, rng);
  EXPECT_EQ(text_of(model), "");
  EXPECT_FALSE(model.first.weight.grad().defined()) << "it changes nothing";
  EXPECT_EQ(text_of(TwoMaps(true, rng)),
            "trained by the loss, but none of the parameters: f32[2, 4] of linear");
  // A tensor in the place of the layer's own, which asks for a gradient or does not.
  const Tensor own = model.first.weight;
  model.first.weight = ones({4, 3});
  EXPECT_EQ(text_of(model), "no gradient: first.weight");
  model.first.weight = ones({4, 3}).set_requires_grad();
  EXPECT_EQ(text_of(model),
            "no gradient: first.weight\n"
            "trained by the loss, but none of the parameters: f32[4, 3] of linear");
  model.first.weight = own;
  EXPECT_EQ(text_of(model), "");
  // The loss has its graph still.
  const Tensor loss = sum(square(model(x)));
  check_gradient_flow(model.parameters(), loss);
  loss.backward();
  EXPECT_EQ(check_gradient_flow(model.parameters()).text, "");
}

TEST(GradientFlow, SeesThroughBlocksThatRunAgain) {
  Rng rng(2);
  const TransformerStack stack(
      {.width = 8, .layers = 2, .block = {.attention = {.heads = 2}}, .recompute = true}, rng);
  const Tensor x = rng.normal({1, 4, 8});
  const GradientFlow flow =
      check_gradient_flow(stack.parameters(), sum(square(stack(x, {.mask = Mask::causal()}))));
  EXPECT_EQ(flow.missing, std::vector<std::string>{});
  EXPECT_EQ(flow.unlisted, std::vector<std::string>{});
}

TEST(GradientFlow, ListsWhatAsksForNoGradientAsMissing) {
  const Tensor w = ones({2}).set_requires_grad(), frozen = ones({2});
  EXPECT_EQ(check_gradient_flow({{"frozen", frozen}, {"w", w}}, sum(w * frozen)).text,
            "no gradient: frozen");
}

TEST(GradientFlow, WantsALoss) {
  EXPECT_EQ(error_of([] { check_gradient_flow({}, ones({2})); }),
            "check_gradient_flow: wanted a loss of one element that has a graph; got f32[2]");
  EXPECT_EQ(error_of([] { check_gradient_flow({}, Tensor()); }),
            "check_gradient_flow: wanted a loss of one element that has a graph; got an undefined "
            "tensor");
}

}  // namespace
}  // namespace rapt::nn
