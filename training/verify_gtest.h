#pragma once

#include <gtest/gtest.h>

#include <ostream>

#include "rapt/training/verify.h"

/// verify for GoogleTest. rapt itself does not include this header, and does not need GoogleTest.
namespace rapt::training {

/// EXPECT_TRUE(KeepsPromises(model, batch, forward, loss, promises)): fails with what verify found.
template <class... Args>
::testing::AssertionResult KeepsPromises(Args&&... args) {
  const Verification found = verify(std::forward<Args>(args)...);
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
