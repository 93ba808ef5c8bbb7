#include "rapt/data/detail/gpt2_pieces.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "../files.h"

namespace rapt::data {
namespace {

using Pieces = std::vector<std::string>;

Pieces pieces_of(std::string_view text) {
  Pieces out;
  detail::for_each_gpt2_piece(text, [&](std::string_view piece) { out.emplace_back(piece); });
  return out;
}

// What the regular expressions of JavaScript (with Unicode) find of GPT-2's.
TEST(Gpt2Pieces, AreWhatTheExpressionFinds) {
  const std::vector<std::pair<std::string, Pieces>> cases = {
      {"Hello world's  foo\n\n bar123!?",
       {"Hello", " world", "'s", " ", " foo", "\n\n", " bar", "123", "!?"}},
      {"they'll've 'S don't", {"they", "'ll", "'ve", " '", "S", " don", "'t"}},
      {"'ve'd'm'lla're", {"'ve", "'d", "'m", "'ll", "a", "'re"}},
      {"'' ''s 's", {"''", " ''", "s", " '", "s"}},
      {"  two  blanks ", {" ", " two", " ", " blanks", " "}},
      {"x\t\ty \n", {"x", "\t", "\t", "y", " \n"}},
      {"   ", {"   "}},
      {"\n", {"\n"}},
      {"1,000.5 -- x_y", {"1", ",", "000", ".", "5", " --", " x", "_", "y"}},
      {"caf\u00e9 \u4e2d\u65871\u00b2\u2167 \u00bd",
       {"caf\u00e9", " \u4e2d\u6587", "1\u00b2\u2167", " \u00bd"}},
      {"\u3000\u00a0a", {"\u3000", "\u00a0", "a"}},
      {"a\u0301b e\u0301", {"a", "\u0301", "b", " e", "\u0301"}},
      {"\U0001f600\U0001f600 ok", {"\U0001f600\U0001f600", " ok"}},
      {"don\u2019t", {"don", "\u2019", "t"}},
      {"", {}},
  };
  for (const auto& [text, pieces] : cases) EXPECT_EQ(pieces_of(text), pieces) << text;
}

// A long text is cut into parts, which must not show.
TEST(Gpt2Pieces, OfALongTextAreThoseOfItsParts) {
  const std::string sentence = "A  b's\u3000 \n\n c12 -\t";
  std::string text;
  Pieces wanted;
  for (int i = 0; i < 20000; ++i) {
    text += sentence;
    for (const auto& piece : pieces_of(sentence + "A")) wanted.push_back(piece);
    wanted.pop_back();
  }
  text += "A";
  wanted.push_back("A");
  EXPECT_EQ(pieces_of(text), wanted);

  for (const std::string& unbroken : {std::string(1 << 18, ' '), std::string(1 << 18, 'x')}) {
    EXPECT_EQ(pieces_of(unbroken), (Pieces{unbroken}));
  }
}

TEST(Gpt2Pieces, NameAByteThatIsNotUtf8ByItsPlaceInTheWholeText) {
  std::string text;
  while (text.size() < 200'000) text += "some words ";
  const auto offset = std::to_string(text.size());
  EXPECT_ERROR("invalid byte 0xff at byte " + offset, pieces_of(text + "\xff"));
  EXPECT_ERROR("cut short by the end, at byte " + offset, pieces_of(text + "\xe4\xb8"));
}

}  // namespace
}  // namespace rapt::data
