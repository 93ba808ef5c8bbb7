// What the fuzzers do, for a few seconds, with any compiler; and that they leave no function out.

#include "calls.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "../support/declarations.h"

namespace rapt::fuzz {
namespace {

TEST(Fuzz, EveryFunctionOfTheHeaderIsCalled) {
  std::vector<std::string> declared = tests::declared_functions(tests::ops_headers());
  std::vector<std::string> called;
  for (const Call& call : calls()) called.push_back(call.function);
  std::sort(declared.begin(), declared.end());
  std::sort(called.begin(), called.end());
  EXPECT_EQ(called, declared);
}

/// RAPT_RANDOM_CALLS in the environment asks for more than a test has time for.
int64_t calls_of_each() {
  const char* const asked = std::getenv("RAPT_RANDOM_CALLS");
  return asked == nullptr ? 300 : std::max<int64_t>(300, std::atoll(asked));
}

TEST(Fuzz, RandomCalls) {
  Rng rng(2024);
  const int64_t wanted = calls_of_each();
  for (const Call& call : calls()) {
    int64_t accepted = 0;
    for (int64_t i = 0; i < wanted; ++i) {
      std::vector<uint8_t> bytes;
      for (const int64_t b : rng.integers(0, 256, {64}).values<int64_t>()) {
        bytes.push_back(static_cast<uint8_t>(b));
      }
      try {
        accepted += make(call, bytes.data(), bytes.size());
      } catch (const std::exception& e) {
        ADD_FAILURE() << e.what();
        break;
      }
    }
    EXPECT_GE(accepted, wanted / 3) << call.function << ": too few arguments are such as it takes";
    if (wanted > 300) std::cout << accepted << " accepted\t" << call.function << std::endl;
  }
}

}  // namespace
}  // namespace rapt::fuzz
