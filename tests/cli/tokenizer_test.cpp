// --tokenizer: what a text is cut into, kept with the run.

#include <cmath>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "rapt/data/tokenizers/byte_pairs.h"
#include "rapt/data/tokenizers/sentence_piece.h"
#include "rapt/data/utf8.h"
#include "runs.h"

namespace rapt::cli {
namespace {

/// GPT-2's files of a tokenizer that joins "th", " th" and " the".
void write_byte_pairs(const std::string& folder) {
  std::filesystem::create_directory(folder);
  nlohmann::json vocabulary;
  // The bytes that cannot be seen stand as the characters from U+0100 on.
  char32_t hidden = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool shown = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    std::string name;
    data::append_utf8(name, shown ? static_cast<char32_t>(byte) : hidden++);
    vocabulary[name] = byte;
  }
  vocabulary["th"] = 256;
  vocabulary["\u0120th"] = 257;
  vocabulary["\u0120the"] = 258;
  write_bytes(folder + "/vocab.json", vocabulary.dump());
  write_bytes(folder + "/merges.txt", "#version: 0.2\nt h\n\u0120 th\n\u0120th e\n");
}

const Words small_text_run = {"train", "--context",    "8", "--width",   "16", "--layers",
                              "1",     "--heads",      "2", "--batch",   "4",  "--steps",
                              "4",     "--save-every", "2", "--threads", "1"};

class TokenizerOfARun : public ::testing::TestWithParam<const char*> {};

// Nothing but the run's folder is needed later: not the tokenizer's files.
TEST_P(TokenizerOfARun, IsKeptWithIt) {
  const std::string kind = GetParam();
  if (kind == "subwords" && !data::SentencePiece::is_available()) {
    GTEST_SKIP() << "rapt was built without SentencePiece";
  }
  const TemporaryFolder folder;
  std::string prose;
  for (int i = 0; i < 400; ++i) {
    prose += "the cat " + std::to_string(i * 7919 % 1000) + " sat with the other\n";
  }
  write_bytes(folder / "text.txt", prose);
  Words flags = {"--text", folder / "text.txt", "--tokenizer", kind, "--out", folder / "run"};
  if (kind == "gpt2") {
    write_byte_pairs(folder / "gpt2");
    flags[3] = folder / "gpt2";
  }
  if (kind == "words") flags = flags + Words{"--vocabulary-size", "500"};
  if (kind == "subwords") flags = flags + Words{"--vocabulary-size", "300"};
  const Outcome trained = run_program(small_text_run + flags);
  ASSERT_EQ(trained.status, 0) << trained.err;
  std::filesystem::remove_all(folder / "gpt2");

  const Outcome sampled = run_program({"sample", "--length", "5", folder / "run"});
  EXPECT_EQ(sampled.status, 0) << sampled.err;
  const Outcome asked = run_program({"sample", "--length", "2", folder / "run", "the cat"});
  EXPECT_EQ(asked.status, 0) << asked.err;
  EXPECT_EQ(asked.out.substr(0, 7), "the cat");

  const Outcome evaluated = run_program({"eval", "--json", folder / "run"});
  ASSERT_EQ(evaluated.status, 0) << evaluated.err;
  const auto numbers = nlohmann::json::parse(evaluated.out);
  EXPECT_EQ(numbers.contains("bits_per_character"), kind != "words");
  if (kind == "bytes") {
    EXPECT_NEAR(numbers["bits_per_character"], numbers["loss"].get<double>() / std::log(2), 1e-6);
  } else if (kind == "gpt2" || kind == "subwords") {  // several characters a token
    EXPECT_LT(numbers["bits_per_character"], numbers["loss"].get<double>() / std::log(2) * 0.9);
  }

  const Outcome resumed =
      run_program({"train", "--resume", "--steps", "6", "--threads", "1", "--out", folder / "run"});
  EXPECT_EQ(resumed.status, 0) << resumed.err;
}

INSTANTIATE_TEST_SUITE_P(Kinds, TokenizerOfARun,
                         ::testing::Values("characters", "bytes", "words", "subwords", "gpt2"));

TEST(Tokenizer, OfTheProgramIsAskedForByAKindOrAPath) {
  const TemporaryFolder folder;
  write_bytes(folder / "text.txt", small_text());
  const auto error = [&](const Words& flags) {
    return run_program(small_text_run + Words{"--out", folder / "run"} + flags).err;
  };
  const Words text = {"--text", folder / "text.txt"};
  EXPECT_TRUE(has(error(text + Words{"--tokenizer", "letters"}), "got "));
  EXPECT_TRUE(has(error(text + Words{"--tokenizer", "letters"}), "letters, which is none of them"));
  EXPECT_TRUE(has(error({"--tokenizer", "bytes"}), "--tokenizer: wanted --text FILE as well"));
  EXPECT_TRUE(has(error(text + Words{"--vocabulary-size", "500"}),
                  "--vocabulary-size: wanted --tokenizer words or subwords as well"));
  EXPECT_TRUE(has(error(text + Words{"--tokenizer", "words", "--vocabulary-size", "1"}),
                  "--vocabulary-size: wanted at least 2; got 1"));
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

}  // namespace
}  // namespace rapt::cli
