#include "rapt/data/text.h"

#include <gtest/gtest.h>

#include <sys/resource.h>

#include <memory>
#include <string_view>

#include "files.h"
#include "rapt/data/tokenizers/bytes.h"
#include "rapt/data/tokenizers/vocabulary.h"
#include "rapt/data/tokenizers/words.h"
#include "rapt/data/utf8.h"

namespace rapt::data {
namespace {

using Integers = std::vector<int64_t>;

Integers integers(const NamedTensors& example, std::string_view name) {
  return example[name].values<int64_t>();
}

Integers all_tokens(const Text& text) {
  Integers out(static_cast<size_t>(text.size()));
  text.copy(0, text.size(), out.data());
  return out;
}

TEST(Text, HoldsTheTokensOfAFile) {
  const TemporaryFolder folder;
  write_bytes(folder / "text", "na\u00efve na\u00efve\n");
  const Text text(folder / "text");
  EXPECT_EQ(text.size(), 12);  // code points, not bytes
  EXPECT_EQ(text.tokenizer()->state().text("characters"), "\n aenv\u00ef");
  EXPECT_EQ(text.tokenizer()->decode(all_tokens(text)), "na\u00efve na\u00efve\n");
  EXPECT_EQ(text[2], 6);
  EXPECT_EQ(text.bytes_per_token(), 1);
}

TEST(Text, TakesTheSmallestIntegersThatHoldTheVocabulary) {
  const TemporaryFolder folder;
  const struct {
    char32_t characters;
    int64_t bytes;
  } cases[] = {{256, 1}, {257, 2}, {0x10000, 2}, {0x10001, 4}};
  for (const auto& c : cases) {
    std::string bytes;
    for (char32_t i = 0; i < c.characters; ++i) append_utf8(bytes, i < 0xD800 ? i : i + 0x800);
    write_bytes(folder / "text", bytes);
    const Text text(folder / "text");
    EXPECT_EQ(text.tokenizer()->size(), int64_t{c.characters});
    EXPECT_EQ(text.bytes_per_token(), c.bytes);
    EXPECT_EQ(text[text.size() - 1], int64_t{c.characters} - 1);
    EXPECT_EQ(text.tokenizer()->decode(all_tokens(text)), bytes);
  }
}

TEST(Text, MayUseAVocabularyFromElsewhere) {
  const TemporaryFolder folder;
  write_bytes(folder / "text", "cab");
  EXPECT_EQ(all_tokens(Text(folder / "text", Vocabulary("abcd"))), (Integers{2, 0, 1}));
  write_bytes(folder / "text", "ab\u00e9");
  EXPECT_ERROR("wanted characters of the vocabulary; got U+00E9 '\u00e9', which ends at byte 4",
               Text(folder / "text", Vocabulary("abcd")));
}

/// A token per byte, counted from `first` on.
class Shifted : public Bytes {
 public:
  explicit Shifted(int64_t first) : first_(first) {}
  std::vector<int64_t> encode(std::string_view text) const override {
    std::vector<int64_t> out = Bytes::encode(text);
    for (int64_t& token : out) token += first_;
    return out;
  }

 private:
  int64_t first_;
};

TEST(Text, IsCutByAnyTokenizer) {
  const TemporaryFolder folder;
  write_bytes(folder / "text", "b\u00e9 a b");
  EXPECT_EQ(all_tokens(Text(folder / "text", Bytes())),
            (Integers{'b', 0xc3, 0xa9, ' ', 'a', ' ', 'b'}));
  const Text words(folder / "text", Words("a b"));
  EXPECT_EQ(all_tokens(words), (Integers{0, 1, 2}));
  EXPECT_EQ(words.tokenizer()->decode(all_tokens(words)), "<unk> a b");
  // One of the user's own, and what is wrong with it.
  EXPECT_EQ(Text(folder / "text", Shifted(-2))[0], 'b' - 2);
  EXPECT_ERROR("wanted a tokenizer whose tokens are in [0, 256); got 295",
               Text(folder / "text", Shifted(100)));
  EXPECT_ERROR("got a null pointer", Text(folder / "text", std::shared_ptr<const Tokenizer>()));
  write_bytes(folder / "bad", "a \xff");
  EXPECT_ERROR("Text: " + (folder / "bad"), Text(folder / "bad", Words("a b")));
}

TEST(Text, RefusesWhatIsNoText) {
  const TemporaryFolder folder;
  EXPECT_ERROR("could not open", Text(folder / "none"));
  write_bytes(folder / "empty", "");
  EXPECT_ERROR("got the empty", Text(folder / "empty"));
  EXPECT_ERROR("got the empty", Text(folder / "empty", Vocabulary("a")));
  write_bytes(folder / "bad", "ab\xff");
  EXPECT_ERROR("invalid byte 0xff at byte 2", Text(folder / "bad"));
  EXPECT_ERROR("invalid byte 0xff at byte 2", Text(folder / "bad", Vocabulary("ab")));
  write_bytes(folder / "text", "abc");
  const Text text(folder / "text");
  EXPECT_ERROR("wanted positions in [0, 3); got 1 from 3 on", text[3]);
  EXPECT_ERROR("got 1 from -1 on", text[-1]);
}

TEST(Text, TakesAboutOneByteOfMemoryForAByteOfEnglish) {
#ifdef RAPT_SANITIZED
  if (std::string_view(RAPT_SANITIZED) == "thread") {
    GTEST_SKIP() << "the thread sanitizer keeps memory of its own for each byte";
  }
#endif
  const TemporaryFolder folder;
  constexpr int64_t size = 32 << 20;
  {
    std::ofstream file(folder / "text", std::ios::binary);
    const std::string line = "the quick brown fox jumps over the lazy dog, again and again....\n";
    for (int64_t i = 0; i < size; i += static_cast<int64_t>(line.size())) file << line;
  }
  rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  const Text text(folder / "text");
  getrusage(RUSAGE_SELF, &after);
  EXPECT_GE(text.size(), size);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, (size + size / 2) >> 10);  // KiB, at the peak
}

class TextDatasetTest : public ::testing::Test {
 protected:
  TextDatasetTest() {
    std::string letters;
    for (int i = 0; i < 100; ++i) letters += static_cast<char>('a' + i % 26);
    write_bytes(folder_ / "text", letters);
  }
  Text text() const { return Text(folder_ / "text"); }
  TemporaryFolder folder_;
};

TEST_F(TextDatasetTest, TargetsAreTheNextTokens) {
  const TextDataset dataset(text(), {.context = 5});
  EXPECT_EQ(integers(dataset.get(0), "tokens"), (Integers{0, 1, 2, 3, 4}));
  EXPECT_EQ(integers(dataset.get(0), "targets"), (Integers{1, 2, 3, 4, 5}));
  EXPECT_EQ(integers(dataset.get(30), "tokens"), (Integers{4, 5, 6, 7, 8}));
}

TEST_F(TextDatasetTest, TrainAndTestPartsDoNotTouch) {
  const TextDataset train(text(), {.context = 5, .test_fraction = 0.2});
  const TextDataset test(text(), {.context = 5, .split = Split::test, .test_fraction = 0.2});
  EXPECT_EQ(train.size(), 75);  // beginnings 0 ... 74: the last target is character 79
  EXPECT_EQ(integers(train.get(74), "targets").back(), 79 % 26);
  EXPECT_EQ(test.options().stride, 5);
  EXPECT_EQ(test.size(), 3);  // 80 ... 99: three whole windows with their targets
  EXPECT_EQ(integers(test.get(0), "tokens").front(), 80 % 26);
  EXPECT_EQ(integers(test.get(2), "targets").back(), 95 % 26);
}

TEST_F(TextDatasetTest, EveryWindowThatFitsIsThereAndNoOther) {
  for (const int64_t stride : {1, 2, 3, 7, 90}) {
    for (const int64_t context : {1, 9, 50, 99}) {
      const TextDataset dataset(text(), {.context = context, .test_fraction = 0, .stride = stride});
      int64_t windows = 0;
      for (int64_t begin = 0; begin + context + 1 <= 100; begin += stride) ++windows;
      EXPECT_EQ(dataset.size(), windows) << stride << " " << context;
      const NamedTensors last = dataset.get(windows - 1);
      EXPECT_EQ(integers(last, "targets").back(), ((windows - 1) * stride + context) % 26);
    }
  }
}

TEST_F(TextDatasetTest, RefusesWhatCannotWork) {
  EXPECT_ERROR("context of at least 1 token; got 0", TextDataset(text(), {.context = 0}));
  EXPECT_ERROR("test_fraction in [0, 1]; got 1.5", TextDataset(text(), {.test_fraction = 1.5}));
  EXPECT_ERROR("stride of at least 1, or 0 for the default; got -1",
               TextDataset(text(), {.stride = -1}));
  EXPECT_ERROR(
      "at least context + 1 tokens in the test part; got 10 of the text's 100 and a "
      "context of 10",
      TextDataset(text(), {.context = 10, .split = Split::test}));
  EXPECT_ERROR("in the train part; got 0",
               TextDataset(text(), {.context = 10, .test_fraction = 1}));
  const TextDataset dataset(text(), {.context = 50});
  EXPECT_ERROR("wanted an index in [0, 40); got 40", dataset.get(40));
  EXPECT_ERROR("got -1", dataset.get(-1));
}

}  // namespace
}  // namespace rapt::data
