// What the fuzzers do, for a few seconds, with any compiler; and that they leave no function out.

#include "calls.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "../support/declarations.h"

namespace rapt::fuzz {
namespace {

TEST(Fuzz, EveryFunctionOfTheHeaderIsCalled) {
  std::vector<std::string> declared =
      tests::declared_functions(tests::read_text(RAPT_SOURCE_DIR "/autograd/ops.h"));
  std::vector<std::string> called;
  for (const Call& call : calls()) called.push_back(call.function);
  std::sort(declared.begin(), declared.end());
  std::sort(called.begin(), called.end());
  EXPECT_EQ(called, declared);
}

TEST(Fuzz, RandomCalls) {
  Rng rng(2024);
  for (const Call& call : calls()) {
    int64_t accepted = 0;
    for (int64_t i = 0; i < 300; ++i) {
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
    EXPECT_GE(accepted, 100) << call.function << ": too few arguments are such as it takes";
  }
}

}  // namespace
}  // namespace rapt::fuzz
