#pragma once

#include <gtest/gtest.h>

#include <ostream>

#include "rapt/training/verify.h"

/// verify for GoogleTest. rapt itself does not include this header, and does not need GoogleTest.
namespace rapt::training {

/// EXPECT_TRUE(KeepsPromises(model, batch, forward, loss, {.inputs = {...}})): fails with what
/// verify found.
inline ::testing::AssertionResult KeepsPromises(
    nn::Module& model, const NamedTensors& batch,
    FunctionRef<Tensor(const NamedTensors& batch)> forward,
    FunctionRef<Loss(const Tensor& output, const NamedTensors& batch)> loss,
    const Promises& promises) {
  const Verification found = verify(model, batch, forward, loss, promises);
  if (found) return ::testing::AssertionSuccess() << "all promises are kept";
  return ::testing::AssertionFailure() << found.text;
}

/// EXPECT_THAT(verify(...), AllKept()): the same as a matcher, for those who use gmock.
class AllKept {
 public:
  using is_gtest_matcher = void;

  bool MatchAndExplain(const Verification& found, std::ostream* explanation) const {
    if (explanation != nullptr && !found) *explanation << found.text;
    return static_cast<bool>(found);
  }
  void DescribeTo(std::ostream* out) const { *out << "keeps all promises"; }
  void DescribeNegationTo(std::ostream* out) const { *out << "breaks a promise"; }
};

}  // namespace rapt::training
