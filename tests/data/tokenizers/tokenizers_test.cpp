// What every tokenizer owes.
#include <algorithm>
#include <memory>

#include <gtest/gtest.h>

#include "../files.h"
#include "rapt/autograd/random.h"
#include "rapt/data/checkpoint.h"
#include "rapt/data/tokenizers/bytes.h"
#include "rapt/data/tokenizers/sentence_piece.h"
#include "rapt/data/tokenizers/vocabulary.h"
#include "rapt/data/tokenizers/words.h"
#include "rapt/data/utf8.h"

namespace rapt::data {
namespace {

using Integers = std::vector<int64_t>;

/// Words of a few letters, none of them twice in a row.
std::string prose(int words) {
  Rng rng(7);
  std::string out;
  for (int i = 0; i < words; ++i) {
    for (int64_t letters = rng.integer(1, 6); letters > 0; --letters) {
      out += static_cast<char>('a' + rng.integer(0, 6));
    }
    out += i % 11 == 0 ? "\n" : i % 7 == 0 ? ", " : " ";
  }
  return out;
}

TEST(Bytes, AreAnyText) {
  const Bytes bytes;
  const std::string text("a\0\xff\n", 4);
  EXPECT_EQ(bytes.encode(text), (Integers{'a', 0, 255, '\n'}));
  EXPECT_EQ(bytes.decode({'a', 0, 255, '\n'}), text);
  EXPECT_ERROR("Bytes: wanted tokens in [0, 256); got -1", bytes.decode({1, -1}));
}

TEST(Words, AreNumberedByHowOftenTheyCome) {
  const Words words("the cat  and\tthe dog\nand the end.");
  EXPECT_EQ(words.size(), 6);
  EXPECT_EQ(words.encode("the and cat dog end. end"), (Integers{1, 2, 3, 4, 5, Words::unknown}));
  EXPECT_EQ(words.decode({1, 3, 0}), "the cat <unk>");
  EXPECT_EQ(words.encode(" \n "), Integers());
  EXPECT_EQ(words.decode({}), "");
}

TEST(Words, MayBeFewer) {
  const std::string text = "a a a b b c c d";
  EXPECT_EQ(Words(text, {.max_size = 3}).encode("a b c d"), (Integers{1, 2, 0, 0}));
  EXPECT_EQ(Words(text, {.min_count = 2}).encode("a b c d"), (Integers{1, 2, 3, 0}));
  EXPECT_ERROR("wanted a max_size of at least 2", Words(text, {.max_size = 1}));
  EXPECT_ERROR("wanted a min_count of at least 1", Words(text, {.min_count = 0}));
  EXPECT_ERROR("at least 4 times; got 4 different ones", Words(text, {.min_count = 4}));
  EXPECT_ERROR("got 0 different ones", Words(" \n"));
  EXPECT_ERROR("invalid byte 0xff at byte 2", Words("a \xff"));
}

TEST(Words, ComeFromAFile) {
  const TemporaryFolder folder;
  write_bytes(folder / "text", "two words");
  EXPECT_EQ(Words::of_file(folder / "text").size(), 3);
  EXPECT_ERROR("could not open", Words::of_file(folder / "none"));
}

TEST(SentencePiece, SaysWhenItIsNotThere) {
  if (SentencePiece::is_available()) GTEST_SKIP() << "it is there";
  EXPECT_ERROR("rapt was built without it; install libsentencepiece-dev",
               SentencePiece::train("text"));
}

class SentencePieceTest : public ::testing::TestWithParam<SentencePieceOptions::Model> {
 protected:
  void SetUp() override {
    if (!SentencePiece::is_available()) GTEST_SKIP() << "rapt was built without SentencePiece";
  }
};

// SentencePiece as it comes changes blanks and letters, and drops a line that is long.
TEST_P(SentencePieceTest, DecodesEveryTextAsItWas) {
  const SentencePiece tokenizer =
      SentencePiece::train(prose(3000), {.size = 400, .model = GetParam()});
  EXPECT_EQ(tokenizer.size(), 400);
  EXPECT_LT(tokenizer.encode(prose(300)).size(), prose(300).size() * 3 / 4);
  const std::vector<std::string> parts = {" ",      "\n", "ab",      "cde", "\t",        "\u4e2d",
                                          "\uff21", "A",  "e\u0301", "\r",  "\U0001f600"};
  Rng rng(3);
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (int j = 0; j < i % 20; ++j)
      text += parts[static_cast<size_t>(rng.integer(0, static_cast<int64_t>(parts.size())))];
    ASSERT_EQ(tokenizer.decode(tokenizer.encode(text)), text) << decode_utf8(text).size();
  }
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("a\u2581b")), "a b");  // as documented
  EXPECT_ERROR("encode: wanted UTF-8; got the invalid byte 0xff at byte 1",
               tokenizer.encode("a\xff"));
  EXPECT_EQ(tokenizer.find("<pad>"), 0);
  EXPECT_EQ(tokenizer.find("no such piece"), -1);
}

TEST_P(SentencePieceTest, IsTheSameWhenItIsTrainedAgain) {
  const SentencePieceOptions options{.size = 350, .model = GetParam()};
  EXPECT_EQ(SentencePiece::train(prose(3000), options).state(),
            SentencePiece::train(prose(3000), options).state());
}

TEST_P(SentencePieceTest, TakesOneLongLine) {
  std::string text = prose(4000);
  std::replace(text.begin(), text.end(), '\n', ' ');
  EXPECT_EQ(SentencePiece::train(text, {.size = 300, .model = GetParam()}).size(), 300);
}

INSTANTIATE_TEST_SUITE_P(Models, SentencePieceTest,
                         ::testing::Values(SentencePieceOptions::Model::unigram,
                                           SentencePieceOptions::Model::bpe));

TEST(SentencePiece, NamesWhatIsWrong) {
  if (!SentencePiece::is_available()) GTEST_SKIP() << "rapt was built without SentencePiece";
  EXPECT_ERROR("wanted a size above 260", SentencePiece::train("text", {.size = 260}));
  EXPECT_ERROR("wanted a coverage in (0, 1]", SentencePiece::train("text", {.coverage = 0}));
  EXPECT_ERROR("invalid byte 0xff", SentencePiece::train("a\xff"));
  EXPECT_ERROR("SentencePiece: train: ", SentencePiece::train("a b a b", {.size = 8000}));
  EXPECT_ERROR("SentencePiece: train: ", SentencePiece::train(""));
  const TemporaryFolder folder;
  write_bytes(folder / "model", "no model");
  EXPECT_ERROR(folder / "model", SentencePiece(folder / "model"));
  EXPECT_ERROR("could not open", SentencePiece(folder / "none"));
}

TEST(SentencePiece, IsReadFromTheFileThatItWrites) {
  if (!SentencePiece::is_available()) GTEST_SKIP() << "rapt was built without SentencePiece";
  const TemporaryFolder folder;
  const SentencePiece tokenizer = SentencePiece::train(prose(2000), {.size = 300});
  tokenizer.save(folder / "name.model");
  EXPECT_EQ(SentencePiece(folder / "name.model").state(), tokenizer.state());
}

// Saved with the model, in a checkpoint.
TEST(Tokenizers, ComeBackFromACheckpoint) {
  const std::string text = prose(2000);
  std::vector<std::shared_ptr<const Tokenizer>> all = {std::make_shared<const Bytes>(),
                                                       std::make_shared<const Vocabulary>(text),
                                                       std::make_shared<const Words>(text)};
  if (SentencePiece::is_available()) {
    all.push_back(std::make_shared<const SentencePiece>(SentencePiece::train(text, {.size = 300})));
  }
  const TemporaryFolder folder;
  for (const auto& tokenizer : all) {
    Checkpoint checkpoint;
    checkpoint.values.set_all("tokenizer.", tokenizer->state());
    save_checkpoint(folder / "model.rapt", checkpoint);
    const auto again =
        load_tokenizer(load_checkpoint(folder / "model.rapt").values.with_prefix("tokenizer."));
    EXPECT_EQ(again->size(), tokenizer->size());
    EXPECT_EQ(again->state(), tokenizer->state());
    const Integers tokens = tokenizer->encode(text);
    EXPECT_EQ(again->encode(text), tokens);
    EXPECT_EQ(again->decode(tokens), tokenizer->decode(tokens));
    const auto beyond = tokenizer->size();
    EXPECT_ERROR("got " + std::to_string(beyond), tokenizer->decode({0, beyond}));
    EXPECT_ERROR("got -1", tokenizer->decode({-1}));
  }
}

TEST(Tokenizers, OfAnotherKindAreNamed) {
  EXPECT_ERROR("wanted the kind bytes, characters, words", load_tokenizer({{"kind", "mine"}}));
  EXPECT_ERROR("without one", load_tokenizer({{"characters", "abc"}}));
  EXPECT_ERROR("each once", load_tokenizer({{"kind", "words"}, {"words", "a a"}}));
  EXPECT_ERROR("characters", load_tokenizer({{"kind", "characters"}}));
}

}  // namespace
}  // namespace rapt::data
