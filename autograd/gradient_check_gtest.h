#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <utility>

#include "rapt/autograd/gradient_check.h"

/// check_gradients for GoogleTest. rapt itself does not include this header, and does not need
/// GoogleTest.
namespace rapt {

/// EXPECT_TRUE(GradientsMatch(f, {x, w})): fails with the report of check_gradients.
///
/// f takes a const Tensors& and returns a Tensor or Tensors; the inputs are f64 (i64 and b8 ones
/// are constants).
template <class F>
::testing::AssertionResult GradientsMatch(F&& f, const Tensors& inputs,
                                          const GradientCheckOptions& options = {}) {
  const GradientReport report = check_gradients(f, inputs, options);
  if (report) return ::testing::AssertionSuccess() << "the gradients are right";
  return ::testing::AssertionFailure() << report.text;
}

/// EXPECT_THAT(f, HasRightGradientsAt({x, w})): the same as a matcher, for those who use gmock.
class HasRightGradientsAt {
 public:
  using is_gtest_matcher = void;

  explicit HasRightGradientsAt(Tensors inputs, GradientCheckOptions options = {})
      : inputs_(std::move(inputs)), options_(options) {}

  template <class F>
  bool MatchAndExplain(const F& f, std::ostream* explanation) const {
    const GradientReport report = check_gradients(f, inputs_, options_);
    if (explanation != nullptr && !report) *explanation << report.text;
    return report.ok;
  }
  void DescribeTo(std::ostream* out) const { *out << "has the gradients of finite differences"; }
  void DescribeNegationTo(std::ostream* out) const { *out << "has wrong gradients"; }

 private:
  Tensors inputs_;
  GradientCheckOptions options_;
};

}  // namespace rapt
