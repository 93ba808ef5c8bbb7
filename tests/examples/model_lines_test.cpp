// What a model takes to write: the lines between "// [model]" and "// [end]" of an example.

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "../support/command.h"
#include "../support/declarations.h"

namespace rapt {
namespace {

/// Those that are not empty; nothing unless both marks are there, once.
std::optional<int> model_lines(const std::string& source) {
  int lines = 0, begins = 0, ends = 0;
  for (const std::string& line : tests::lines_of(source)) {
    const size_t first = line.find_first_not_of(' ');
    if (first == std::string::npos) continue;
    const std::string text = line.substr(first);
    if (text == "// [end]") ++ends;
    if (begins > ends) ++lines;
    if (text == "// [model]") ++begins;
  }
  if (begins != 1 || ends != 1) return {};
  return lines;
}

int lines_of_example(const std::string& name) {
  return model_lines(tests::read_text(RAPT_SOURCE_DIR "/examples/" + name + ".cpp")).value_or(1000);
}

TEST(ModelLines, OfTheExamplesAreFew) {
  EXPECT_LE(lines_of_example("13_dates"), 25);  // an encoder-decoder, its loss, its answer
  EXPECT_LE(lines_of_example("14_word_classifier"), 15);  // a classifier
  EXPECT_LE(lines_of_example("15_lstm_brackets"), 10);    // an LSTM with its embedding and head
}

TEST(ModelLines, AreCountedBetweenTheMarks) {
  EXPECT_EQ(model_lines("a\n  // [model]\nb\n\n  c;  // d\n  // [end]\ne\n"), 2);
  EXPECT_EQ(model_lines("// [model]\n// [end]"), 0);
  EXPECT_EQ(model_lines("// [model]\nb\n"), std::nullopt);
  EXPECT_EQ(model_lines("b\n// [end]\n"), std::nullopt);
  EXPECT_EQ(model_lines("// [model]\n// [end]\n// [model]\n// [end]\n"), std::nullopt);
}

}  // namespace
}  // namespace rapt
