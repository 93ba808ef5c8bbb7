// Calls that look right and are not: the compiler refuses each, and says what to write.

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "../support/command.h"
#include "../support/declarations.h"
#include "rapt/autograd/error.h"

namespace rapt {
namespace {

struct Misuse {
  std::string code;     // a statement; m is a Tensor
  std::string message;  // part of what the compiler says
};

/// What the compiler says of each statement, compiled by itself: of several that fail alike, it
/// names the first alone. Empty where nothing is wrong.
std::vector<std::string> said_of(const std::vector<std::string>& statements) {
  const std::string folder = text(RAPT_BINARY_DIR "/tests/misuse_", getpid());
  tests::run_command("rm -rf " + folder + " && mkdir -p " + folder);
  for (size_t i = 0; i < statements.size(); ++i) {
    std::ofstream(text(folder, "/", i, ".cpp"))
        << "#include \"rapt/rapt.h\"\nusing namespace rapt;\nvoid f(Tensor& m) { (void)m; "
        << statements[i] << "; }\n";
  }
  tests::run_command("ls " + folder +
                     "/*.cpp | xargs -P 2 -I {} sh -c '" RAPT_CXX_COMPILER
                     " -std=c++20 -fsyntax-only -I " RAPT_BINARY_DIR "/include {} > {}.said 2>&1'");
  std::vector<std::string> out;
  for (size_t i = 0; i < statements.size(); ++i) {
    out.push_back(tests::read_text(text(folder, "/", i, ".cpp.said")));
  }
  tests::run_command("rm -rf " + folder);
  return out;
}

const std::string integer = "rapt: a length, an index or an axis is an integer";

TEST(Misuse, IsRefusedByTheCompilerWhichSaysWhatToWrite) {
  const std::vector<Misuse> all = {
      {"max(m, 0.0)", "the larger of two, element by element, is maximum(a, b)"},
      {"min(m, m)", "the smaller of two, element by element, is minimum(a, b)"},
      {"norm(m, 1)", "write norm(x, {0}, {.p = 1})"},
      {"norm(m, 0.5)", "write norm(x, {0}, {.p = 1})"},
      {"sum(m, true)", integer},
      {"sum(m, {0, true})", integer},
      {"sum(m, 0.5)", integer},
      {"sum(m, Shape{2, 3})", "rapt: a Shape is a list of lengths, not of axes"},
      {"zeros(3.9)", integer},
      {"zeros({2, 3.9})", integer},
      {"softmax(m, true)", integer},
      {"select(m, 0, 1.5)", integer},
      {"m[0.5]", integer},
      {"m.size(true)", integer},
      {"arange(0.0, 1.0)", integer},
      {"maximum(m, true)", "rapt: wanted a tensor or a number, and a bool is neither"},
      {"from_values(std::vector<unsigned long>{1})", "rapt: from_values takes"},
      {"m += m", "write x = x + y"},
      {"m -= 2", "write x = x - y"},
      {"m *= 0.5", "write x = x * y"},
      {"m /= m", "write x = x / y"},
      {"record(\"square\", {m}, m * m, [](const Backward& b) -> Gradients { return {b.grad}; })",
       "give it the function"},
      // What has no meaning at all: any message will do.
      {"var(m, {-1}, true)", ""},
      {"sum(m, {0}, true)", ""},
      {"zeros(m.strides())", ""},
      {"m[0] = m", ""},
      {"sum(m) = m", ""},
      {"if (m == m) return", ""},
      {"m + true", ""},
      {"permute(m, m.shape())", "rapt: a Shape is a list of lengths, not of axes"},
  };
  std::vector<std::string> statements;
  for (const Misuse& misuse : all) statements.push_back(misuse.code);
  const std::vector<std::string> said = said_of(statements);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_NE(said[i].find(":3:"), std::string::npos) << all[i].code << ": " << said[i];
    EXPECT_NE(said[i].find(all[i].message), std::string::npos) << all[i].code << ": " << said[i];
  }
}

// The same calls as they should be: nothing here is refused by mistake.
TEST(Misuse, WhatTheMessagesSayToWriteCompiles) {
  const std::vector<std::string> statements = {
      "maximum(m, 0.0)",
      "minimum(m, m)",
      "sum(m, {0, 1}, {.keepdim = true})",
      "sum(m, 0)",
      "zeros(3)",
      "zeros({2, 3})",
      "zeros(m.shape())",
      "m[0]",
      "linspace(0.0, 1.0, 11)",
      "from_values(std::vector<int>{1})",
      "m = m + m",
      "m = m - 2",
      "Tensor row = m[0]; row = m",
      "var(m, {-1}, {.keepdim = true})",
      "permute(m, {1, 0})",
  };
  for (const std::string& said : said_of(statements)) EXPECT_EQ(said, "");
}

}  // namespace
}  // namespace rapt
