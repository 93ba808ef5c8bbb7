// Runs the examples, and holds each to the session that its opening comment promises:
//
//   $ 06_copy_task 20
//   step    0  loss 3....
//
// "..." stands for any text within a line; alone on a line, for any number of lines.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "../support/command.h"
#include "../support/declarations.h"

namespace rapt {
namespace {

using Lines = std::vector<std::string>;
using tests::lines_of;

/// What an example promises: how it was called, and what it then printed.
struct Session {
  std::string command;
  Lines output;
};

std::string without_trailing_spaces(const std::string& line) {
  return line.substr(0, line.find_last_not_of(' ') + 1);
}

Session promised_session(const std::string& source) {
  Session out;
  for (const std::string& line : lines_of(source)) {
    if (!line.starts_with("//   ")) {
      if (out.command.empty() && line.starts_with("//")) continue;
      break;
    }
    const std::string content = line.substr(5);
    if (content.starts_with("$ ")) {
      out.command = content.substr(2);
    } else if (!out.command.empty()) {
      out.output.push_back(content);
    }
  }
  return out;
}

bool line_matches(const std::string& pattern, const std::string& line) {
  size_t at = 0;
  for (size_t begin = 0; true;) {
    const size_t end = pattern.find("...", begin);
    const std::string piece = pattern.substr(begin, end - begin);
    if (begin == 0) {
      if (!line.starts_with(piece)) return false;
      if (end == std::string::npos) return line == piece;
      at = piece.size();
    } else if (end == std::string::npos) {
      return line.size() >= at + piece.size() && line.ends_with(piece);
    } else {
      at = line.find(piece, at);
      if (at == std::string::npos) return false;
      at += piece.size();
    }
    begin = end + 3;
  }
}

bool matches(const Lines& patterns, const Lines& lines, size_t p = 0, size_t l = 0) {
  for (; p < patterns.size(); ++p, ++l) {
    if (patterns[p] == "...") {
      for (size_t next = l; next <= lines.size(); ++next) {
        if (matches(patterns, lines, p + 1, next)) return true;
      }
      return false;
    }
    if (l >= lines.size() || !line_matches(patterns[p], without_trailing_spaces(lines[l]))) {
      return false;
    }
  }
  return l == lines.size();
}

Lines examples() {
  Lines out;
  for (const auto& entry : std::filesystem::directory_iterator(RAPT_SOURCE_DIR "/examples")) {
    if (entry.path().extension() == ".cpp") out.push_back(entry.path().stem().string());
  }
  std::sort(out.begin(), out.end());
  return out;
}

class Examples : public ::testing::TestWithParam<std::string> {};

TEST_P(Examples, PrintsWhatItPromises) {
  const std::string name = GetParam();
  const Session promised =
      promised_session(tests::read_text(RAPT_SOURCE_DIR "/examples/" + name + ".cpp"));
  ASSERT_TRUE(promised.command == name || promised.command.starts_with(name + " "))
      << "an example opens with a comment that has a line \"//   $ " << name << "\"";
  const std::string folder = std::filesystem::path(::testing::TempDir()) /
                             ("rapt_" + std::to_string(getpid()) + "_" + name);
  std::filesystem::create_directories(folder);
  const tests::CommandResult got = tests::run_command(
      "cd '" + folder + "' && " RAPT_BINARY_DIR "/examples/" + promised.command + " 2>&1");
  std::filesystem::remove_all(folder);
  EXPECT_EQ(got.status, 0);
  EXPECT_TRUE(matches(promised.output, lines_of(got.output)))
      << "printed:\n"
      << got.output << "promised:\n"
      << ::testing::PrintToString(promised.output);
}

INSTANTIATE_TEST_SUITE_P(All, Examples, ::testing::ValuesIn(examples()),
                         [](const auto& example) { return "E" + example.param; });

// The runner itself: what it must not let through.

TEST(ExampleRunner, ReadsTheSessionFromTheOpeningComment) {
  const Session s = promised_session(
      "// Shows x.\n//   not yet\n//\n//   $ 01_x 5\n//   one\n//     two\n//\n// More.\n//   "
      "no\n");
  EXPECT_EQ(s.command, "01_x 5");
  EXPECT_EQ(s.output, (Lines{"one", "  two"}));
}

TEST(ExampleRunner, ComparesLineByLine) {
  EXPECT_TRUE(matches({"a", "b"}, {"a", "b"}));
  EXPECT_FALSE(matches({"a", "b"}, {"a"}));
  EXPECT_FALSE(matches({"a"}, {"a", "b"}));
  EXPECT_FALSE(matches({"a", "b"}, {"a", "c"}));
}

TEST(ExampleRunner, DotsStandForAnything) {
  EXPECT_TRUE(matches({"loss ... at ... end"}, {"loss 1.5 at 3 end"}));
  EXPECT_FALSE(matches({"loss ... at ... end"}, {"loss 1.5 at 3"}));
  EXPECT_FALSE(matches({"loss 3..."}, {"loss 2.5"}));
  EXPECT_FALSE(matches({"ab...b"}, {"ab"}));
  EXPECT_TRUE(matches({"a", "...", "z"}, {"a", "b", "c", "z"}));
  EXPECT_FALSE(matches({"a", "...", "z"}, {"a", "b", "c"}));
}

}  // namespace
}  // namespace rapt
