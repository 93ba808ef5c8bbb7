// Every function of ops.h against finite differences, at first and second order, and again with
// every input as a strided view.

#include "gradient_cases.h"

#include <gtest/gtest.h>

#include "rapt/autograd/gradient_check.h"

namespace rapt {
namespace {

using tests::GradientCase;

void check(const std::vector<GradientCase>& cases) {
  EXPECT_FALSE(cases.empty());
  for (const GradientCase& c : cases) {
    SCOPED_TRACE(text(c.function, c.what.empty() ? "" : ", ", c.what));
    const auto f = [&](const Tensors& x) { return c.f(x); };
    const GradientReport report = check_gradients(f, c.inputs);
    EXPECT_TRUE(report) << report.text;
  }
}

TEST(GradientCases, Elementwise) { check(tests::elementwise_cases()); }
TEST(GradientCases, Reductions) { check(tests::reduction_cases()); }
TEST(GradientCases, Shape) { check(tests::shape_cases()); }
TEST(GradientCases, Indexing) { check(tests::indexing_cases()); }
TEST(GradientCases, Products) { check(tests::product_cases()); }
TEST(GradientCases, Normalization) { check(tests::normalization_cases()); }
TEST(GradientCases, Attention) { check(tests::attention_cases()); }
TEST(GradientCases, Losses) { check(tests::loss_cases()); }
TEST(GradientCases, Operators) { check(tests::operator_cases()); }

TEST(GradientCases, WhatHasNoGradientNeverRequiresOne) {
  for (const GradientCase& c : tests::cases_without_gradient()) {
    SCOPED_TRACE(c.function);
    Tensors inputs;
    for (const Tensor& x : c.inputs) inputs.push_back(x.clone().set_requires_grad());
    for (const Tensor& y : c.f(inputs)) EXPECT_FALSE(y.requires_grad());
  }
}

// A case that asked for no gradient at all would pass every check.
TEST(GradientCases, EveryCaseJoinsTheGraph) {
  for (const GradientCase& c : tests::gradient_cases()) {
    SCOPED_TRACE(text(c.function, ", ", c.what));
    Tensors inputs;
    for (const Tensor& x : c.inputs) {
      inputs.push_back(is_float(x.dtype()) ? x.clone().set_requires_grad() : x);
    }
    bool joined = false;
    for (const Tensor& y : c.f(inputs)) joined = joined || y.requires_grad();
    EXPECT_TRUE(joined);
  }
}

}  // namespace
}  // namespace rapt
