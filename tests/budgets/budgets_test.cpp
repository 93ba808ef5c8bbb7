// Small to embed: what rapt costs whoever includes it and links it. The figures were measured once,
// with room to grow; a test that fails asks whether the growth was meant. (At the time of writing,
// with g++ 12: 46,000 lines behind rapt/rapt.h, 0.8 s for the copy task, 4.1 MB of code.)

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "../support/command.h"
#include "../support/declarations.h"

namespace rapt {
namespace {

using tests::lines_of;
using tests::read_text;

/// What the compiler makes of a file that includes that header alone, with the flags of a user.
std::string compiler_says(const std::string& header, const std::string& flags) {
  const tests::CommandResult r = tests::run_command(
      "echo '#include \"" + header +
      "\"' | " RAPT_CXX_COMPILER " -std=c++20 -I " RAPT_BINARY_DIR "/include -x c++ " + flags +
      " - 2>&1");
  EXPECT_EQ(r.status, 0) << r.output;
  return r.output;
}

/// The paths of all headers behind one header.
std::set<std::string> headers_behind(const std::string& header) {
  std::set<std::string> out;
  std::string path;
  for (const char c : compiler_says(header, "-M") + " ") {
    if (c != ' ' && c != '\n' && c != '\\') {
      path += c;
    } else if (!path.empty()) {
      if (path.front() == '/') out.insert(path);
      path.clear();
    }
  }
  return out;
}

/// The rest of the path behind build/include, for rapt's own headers; empty for others.
std::string own_name(const std::string& path) {
  static const std::string folder = RAPT_BINARY_DIR "/include/";
  return path.starts_with(folder) ? path.substr(folder.size()) : "";
}

std::set<std::string> own_headers_behind(const std::string& header) {
  std::set<std::string> out;
  for (const std::string& path : headers_behind(header)) {
    if (const std::string name = own_name(path); !name.empty()) out.insert(name);
  }
  return out;
}

/// Whether one of the paths ends with that part, or has it in the middle.
bool any_contains(const std::set<std::string>& paths, const std::string& part) {
  return std::any_of(paths.begin(), paths.end(),
                     [&](const std::string& p) { return p.find(part) != std::string::npos; });
}

TEST(HeaderBudget, RaptStandsOnTheStandardLibraryAlone) {
  const std::set<std::string> headers = headers_behind("rapt/rapt.h");
  ASSERT_TRUE(any_contains(headers, "/rapt/nn/models/decoder_only.h"));
  ASSERT_TRUE(any_contains(headers, "/vector"));
  for (const char* guest : {"/eigen3/", "/Eigen/", "/cereal/", "/nlohmann/", "blas", "/omp.h",
                            "/gtest/", "/gmock/", "/zlib.h", "/CLI/"}) {
    EXPECT_FALSE(any_contains(headers, guest)) << guest;
  }
}

// Thousands of lines each (regex 21,000, random 13,000, functional 11,000, ...), or static objects
// in every file (iostream): no declaration of rapt's needs them. <map> is small enough (3,000).
TEST(HeaderBudget, RaptLeavesOutTheCostlyStandardHeaders) {
  std::set<std::string> names;
  for (const std::string& path : headers_behind("rapt/rapt.h")) {
    if (own_name(path).empty()) names.insert("<" + path.substr(path.rfind('/') + 1) + ">");
  }
  ASSERT_TRUE(names.contains("<vector>"));
  for (const char* costly :
       {"<iostream>", "<fstream>", "<sstream>", "<iomanip>", "<functional>", "<regex>",
        "<filesystem>", "<thread>", "<mutex>", "<condition_variable>", "<future>", "<chrono>",
        "<random>", "<unordered_map>", "<unordered_set>", "<format>"}) {
    EXPECT_FALSE(names.contains(costly)) << costly;
  }
}

TEST(HeaderBudget, NoPrivateHeaderIsBehindRapt) {
  for (const std::string& name : own_headers_behind("rapt/rapt.h")) {
    for (const char* part : {"/graph/", "/kernels/", "/detail/"}) {
      EXPECT_EQ(name.find(part), std::string::npos) << name;
    }
  }
}

TEST(HeaderBudget, LinesBehindRapt) {
  const size_t lines = lines_of(compiler_says("rapt/rapt.h", "-E -P")).size();
  RecordProperty("lines", std::to_string(lines));
  EXPECT_LE(lines, 80'000u);
  size_t own = 0;
  for (const std::string& name : own_headers_behind("rapt/rapt.h")) {
    own += lines_of(read_text(RAPT_BINARY_DIR "/include/" + name)).size();
  }
  EXPECT_LE(own, 7'500u);
}

TEST(HeaderBudget, TensorIsLight) {
  size_t lines = 0;
  const std::set<std::string> own = own_headers_behind("rapt/autograd/tensor.h");
  for (const std::string& name : own) {
    lines += lines_of(read_text(RAPT_BINARY_DIR "/include/" + name)).size();
  }
  EXPECT_LE(own.size(), 6u);
  EXPECT_LE(lines, 900u);
}

TEST(ProgramBudget, TheCopyTaskTakes45Lines) {
  const std::string program = read_text(RAPT_SOURCE_DIR "/examples/06_copy_task.cpp");
  const std::vector<std::string> lines = lines_of(program);
  EXPECT_LE(lines.size(), 45u);
  for (const std::string& line : lines) EXPECT_LE(line.size(), 100u) << line;
  for (const char* part : {"data::Loader", "nn::DecoderOnly", "optim::AdamW", "decay_groups",
                           "optim::Schedule", "clip_grad_norm", "accuracy", "data::save"}) {
    EXPECT_NE(program.find(part), std::string::npos) << part;
  }
}

#ifndef RAPT_SANITIZED  // sanitizers multiply the code
TEST(LibraryBudget, CodeAndDataTakeAFewMegabytes) {
  // Without debug information, which -g adds to the file but to nobody's program.
  const tests::CommandResult r = tests::run_command("size -t '" RAPT_LIBRARY "' 2>&1");
  ASSERT_EQ(r.status, 0) << r.output;
  const std::vector<std::string> lines = lines_of(r.output);
  ASSERT_GE(lines.size(), 2u) << r.output;
  long long text = 0, data = 0;
  ASSERT_EQ(std::sscanf(lines.back().c_str(), "%lld %lld", &text, &data), 2) << r.output;
  RecordProperty("bytes", std::to_string(text + data));
  EXPECT_GT(text, 100'000);
  EXPECT_LE(text + data, 5'500'000);  // JSON's parser counts once for each file that has one
}
#endif

}  // namespace
}  // namespace rapt
