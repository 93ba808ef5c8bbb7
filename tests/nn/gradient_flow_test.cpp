#include "rapt/nn/gradient_flow.h"

#include <gtest/gtest.h>

#include <limits>

#include "../reference/reference.h"

namespace rapt::nn {
namespace {

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

}  // namespace
}  // namespace rapt::nn
