#include "rapt/data/tokenizers/byte_pairs.h"

#include <algorithm>
#include <map>
#include <optional>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../files.h"
#include "rapt/autograd/random.h"
#include "rapt/data/detail/gpt2_pieces.h"
#include "rapt/data/utf8.h"

namespace rapt::data {
namespace {

using Integers = std::vector<int64_t>;

/// A byte as GPT-2's files write it: the table of its encoder.py, byte by byte.
std::string written(std::string_view bytes) {
  std::map<int, char32_t> table;
  for (int b = '!'; b <= '~'; ++b) table[b] = static_cast<char32_t>(b);
  for (int b = 0xA1; b <= 0xAC; ++b) table[b] = static_cast<char32_t>(b);
  for (int b = 0xAE; b <= 0xFF; ++b) table[b] = static_cast<char32_t>(b);
  char32_t next = 256;
  for (int b = 0; b < 256; ++b) {
    if (!table.contains(b)) table[b] = next++;
  }
  std::string out;
  for (const char byte : bytes) append_utf8(out, table[static_cast<unsigned char>(byte)]);
  return out;
}

/// The files of a small tokenizer, made from the pairs of bytes that are joined.
struct Made {
  std::vector<std::string> tokens;  // as bytes
  std::vector<std::pair<std::string, std::string>> merges;

  explicit Made(std::vector<std::pair<std::string, std::string>> pairs) : merges(std::move(pairs)) {
    for (int byte = 255; byte >= 0; --byte)
      tokens.push_back(std::string(1, static_cast<char>(byte)));
    for (const auto& [left, right] : merges) tokens.push_back(left + right);
    tokens.push_back("<|endoftext|>");
  }
  nlohmann::json vocabulary() const {
    nlohmann::json out;
    for (size_t i = 0; i < tokens.size(); ++i) out[written(tokens[i])] = i;
    return out;
  }
  std::string merges_text() const {
    std::string out = "#version: 0.2\n";
    for (const auto& [left, right] : merges) out += written(left) + " " + written(right) + "\n";
    return out;
  }
  /// Byte-pair encoding as the paper says it: of all pairs of neighbours the one that was joined
  /// first in training, joined wherever it stands; and again, until there is none.
  Integers encode(std::string_view text) const {
    Integers out;
    detail::for_each_gpt2_piece(text, [&](std::string_view piece) {
      std::vector<std::string> parts;
      for (const char byte : piece) parts.push_back(std::string(1, byte));
      for (;;) {
        std::optional<size_t> first;
        for (size_t i = 0; i + 1 < parts.size(); ++i) {
          const auto pair = std::pair(parts[i], parts[i + 1]);
          const auto rank =
              static_cast<size_t>(std::find(merges.begin(), merges.end(), pair) - merges.begin());
          if (rank < merges.size() && (!first || rank < *first)) first = rank;
        }
        if (!first) break;
        std::vector<std::string> joined;
        for (size_t i = 0; i < parts.size(); ++i) {
          if (i + 1 < parts.size() && std::pair(parts[i], parts[i + 1]) == merges[*first]) {
            joined.push_back(parts[i] + parts[i + 1]);
            ++i;
          } else {
            joined.push_back(parts[i]);
          }
        }
        parts = joined;
      }
      for (const auto& part : parts) {
        out.push_back(std::find(tokens.begin(), tokens.end(), part) - tokens.begin());
      }
    });
    return out;
  }
};

Made small() {
  return Made({{"t", "h"},
               {" ", "th"},
               {"a", "a"},
               {"\xe4", "\xb8"},
               {"\xe4\xb8", "\xad"},
               {" th", "e"},
               {"aa", "aa"},
               {"h", "e"},
               {"a", "b"},
               {"aaaa", "b"},
               {"b", "a"},
               {"\n", "\n"},
               {"1", "2"},
               {"aa", "a"},
               {"the", "n"}});
}

BytePairs made(const Made& m, const TemporaryFolder& folder) {
  write_bytes(folder / "vocab.json", m.vocabulary().dump());
  write_bytes(folder / "merges.txt", m.merges_text());
  return BytePairs({.vocabulary = folder / "vocab.json", .merges = folder / "merges.txt"});
}

TEST(BytePairs, JoinsThePairThatStandsFirst) {
  const TemporaryFolder folder;
  Made m = small();
  m.merges.pop_back();  // "the" itself is never joined
  const BytePairs tokenizer = made(m, folder);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("then the")), "then the");
  EXPECT_EQ(tokenizer.encode(" the"), (Integers{tokenizer.find(" the")}));
  EXPECT_EQ(tokenizer.encode("the"), (Integers{tokenizer.find("th"), tokenizer.find("e")}));
  EXPECT_EQ(tokenizer.encode("\u4e2d"), (Integers{tokenizer.find("\u4e2d")}));
  EXPECT_EQ(tokenizer.find("<|endoftext|>"), tokenizer.size() - 1);
  EXPECT_EQ(tokenizer.encode("<|endoftext|>").size(), 13u);  // text like any other
  EXPECT_EQ(tokenizer.find("no such token"), -1);
}

TEST(BytePairs, IsWhatTheDefinitionSays) {
  const TemporaryFolder folder;
  Made m = small();
  m.merges.pop_back();
  const BytePairs tokenizer = made(m, folder);
  const std::vector<std::string> parts = {"a",  "aa", "b", "th", "e",      " the",   " ",
                                          "\n", "12", "1", "'s", "\u4e2d", "\u4e0d", "\U0001f600"};
  Rng rng(3);
  for (int i = 0; i < 500; ++i) {
    std::string text;
    for (int j = 0; j < i % 30; ++j)
      text += parts[static_cast<size_t>(rng.integer(0, static_cast<int64_t>(parts.size())))];
    ASSERT_EQ(tokenizer.encode(text), m.encode(text)) << text;
    ASSERT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  }
}

// Quadratic time would be minutes.
TEST(BytePairs, TakesAPieceOfAnyLength) {
  const TemporaryFolder folder;
  Made m = small();
  m.merges.pop_back();
  const BytePairs tokenizer = made(m, folder);
  const Integers tokens = tokenizer.encode(std::string(1'000'001, 'a'));
  EXPECT_EQ(tokens.size(), 250'001u);
  EXPECT_EQ(tokens.front(), tokenizer.find("aaaa"));
  EXPECT_EQ(tokens.back(), tokenizer.find("a"));
}

TEST(BytePairs, NamesWhatIsWrongWithItsFiles) {
  const TemporaryFolder folder;
  const Made m = small();
  const auto error = [&](const std::string& vocabulary, const std::string& merges) {
    write_bytes(folder / "v", vocabulary);
    write_bytes(folder / "m", merges);
    return error_of([&] { BytePairs({.vocabulary = folder / "v", .merges = folder / "m"}); });
  };
  Made fine = small();
  fine.merges.pop_back();
  const std::string vocabulary = fine.vocabulary().dump();
  EXPECT_EQ(error(vocabulary, fine.merges_text()), "");
  EXPECT_EQ(error(vocabulary, "t h\r\n\r\n"), "");
  EXPECT_EQ(error(vocabulary, ""), "");

  EXPECT_TRUE(has(error(vocabulary, m.merges_text()), "line 16: wanted tokens of the vocabulary"));
  EXPECT_TRUE(has(error(vocabulary, "t h e\n"), "line 1: wanted two tokens"));
  EXPECT_TRUE(has(error(vocabulary, "t h\nth\n"), "line 2: wanted two tokens"));
  EXPECT_TRUE(has(error("", ""), "got what is not JSON"));
  EXPECT_TRUE(has(error("[1]", ""), "wanted a JSON object of tokens"));
  EXPECT_TRUE(has(error(R"({"a": 0, "b": 0})", ""), "each once; got b: 0"));
  EXPECT_TRUE(has(error(R"({"a": 0, "b": 5})", ""), "the numbers 0 to 1, each once; got b: 5"));
  EXPECT_TRUE(has(error(R"({"a": -1})", ""), "got a: -1"));
  EXPECT_TRUE(has(error(R"({"a": "x"})", ""), "got a: \"x\""));
  EXPECT_TRUE(has(error(R"({"a": 0})", ""), "a token for each of the 256 bytes; got none for 0"));
  EXPECT_ERROR("could not open",
               BytePairs({.vocabulary = folder / "none", .merges = folder / "m"}));
}

}  // namespace
}  // namespace rapt::data
