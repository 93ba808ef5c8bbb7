#include "rapt/data/tokenizers/vocabulary.h"

#include <gtest/gtest.h>

#include "../files.h"

namespace rapt::data {
namespace {

using Integers = std::vector<int64_t>;

TEST(Vocabulary, NumbersTheCharactersInTheOrderOfTheirCodePoints) {
  const Vocabulary vocabulary("b\u4e2da\nba");
  EXPECT_EQ(vocabulary.size(), 4);
  EXPECT_EQ(vocabulary.characters(), "\nab\u4e2d");
  EXPECT_EQ(vocabulary.encode("ab\u4e2d\n"), (Integers{1, 2, 3, 0}));
  EXPECT_EQ(vocabulary.decode({3, 2, 2}), "\u4e2dbb");
  EXPECT_EQ(vocabulary.find(U'b'), 2);
  EXPECT_EQ(vocabulary.find(U'c'), -1);
  EXPECT_EQ(vocabulary.find(U'\U0001f600'), -1);
}

TEST(Vocabulary, IsMadeAgainFromItsCharacters) {
  const Vocabulary vocabulary("the quick \u00e9\u4e2d\U0001f600 fox");
  const Vocabulary again(vocabulary.characters());
  EXPECT_EQ(again.characters(), vocabulary.characters());
  EXPECT_EQ(again.encode("fox\u00e9"), vocabulary.encode("fox\u00e9"));
}

TEST(Vocabulary, ReadsAFileLongerThanAPiece) {
  const TemporaryFolder folder;
  std::string text(1 << 20, 'a');        // a piece is 2^20 bytes:
  text.insert((1 << 20) - 1, "\u4e2d");  // this character lies across its end
  text += "z";
  write_bytes(folder / "text", text);
  EXPECT_EQ(Vocabulary::of_file(folder / "text").characters(), "az\u4e2d");
}

TEST(Vocabulary, NamesWhatItDoesNotHave) {
  const Vocabulary vocabulary("abc");
  EXPECT_ERROR("wanted one of the 3 characters it was made of; got U+0064 'd'",
               vocabulary.encode("abd"));
  EXPECT_ERROR("wanted UTF-8; got the invalid byte 0xff at byte 1", vocabulary.encode("a\xff"));
  EXPECT_ERROR("wanted tokens in [0, 3); got 3", vocabulary.decode({0, 3}));
  EXPECT_ERROR("got -1", vocabulary.decode({-1}));
}

TEST(Vocabulary, NamesTheFileAndTheByteThatIsWrong) {
  const TemporaryFolder folder;
  EXPECT_ERROR("could not open " + (folder / "none"), Vocabulary::of_file(folder / "none"));
  EXPECT_ERROR("a folder", Vocabulary::of_file(folder.path()));
  write_bytes(folder / "empty", "");
  EXPECT_ERROR("wanted a file with text; got the empty " + (folder / "empty"),
               Vocabulary::of_file(folder / "empty"));
  write_bytes(folder / "bad", std::string((1 << 20) + 3, 'x') + "\xfe");
  EXPECT_ERROR((folder / "bad") + ": wanted UTF-8; got the invalid byte 0xfe at byte 1048579",
               Vocabulary::of_file(folder / "bad"));
  write_bytes(folder / "short", "ab\xe4\xb8");
  EXPECT_ERROR("cut short by the end, at byte 2", Vocabulary::of_file(folder / "short"));
  EXPECT_ERROR("wanted at least one character", Vocabulary(""));
}

}  // namespace
}  // namespace rapt::data
