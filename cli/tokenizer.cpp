#include "cli/tokenizer.h"

#include <filesystem>
#include <utility>
#include <vector>

#include "rapt/autograd/error.h"
#include "rapt/data/data.h"

namespace rapt::cli {
namespace {

template <class T>
std::shared_ptr<const data::Tokenizer> shared(T tokenizer) {
  return std::make_shared<const T>(std::move(tokenizer));
}

}  // namespace

std::shared_ptr<const data::Tokenizer> tokenizer_for(const RunOptions& o) {
  const std::string& name = o.tokenizer;
  if (name == "characters") return shared(data::Vocabulary::of_file(o.text));
  if (name == "bytes") return shared(data::Bytes());
  if (name == "words") {
    return shared(data::Words::of_file(o.text, {.max_size = o.vocabulary_size}));
  }
  if (name == "subwords") {
    return shared(data::SentencePiece::train_on_file(o.text, {.size = o.vocabulary_size}));
  }
  const std::filesystem::path path = name;
  if (std::filesystem::is_directory(path)) {
    return shared(data::BytePairs(
        {.vocabulary = (path / "vocab.json").string(), .merges = (path / "merges.txt").string()}));
  }
  if (std::filesystem::exists(path)) return shared(data::SentencePiece(name));
  fail(
      "--tokenizer: wanted characters, bytes, words, subwords, a folder with GPT-2's vocab.json "
      "and merges.txt, or a model file of SentencePiece; got ",
      name, ", which is none of them");
}

std::string beginning_of(const data::Tokenizer& tokenizer) {
  std::vector<int64_t> tokens;
  try {
    tokens = tokenizer.encode("\n");
  } catch (const Error&) {
    // There are no lines.
  }
  if (!tokens.empty()) return "\n";
  // Not 0, which is the unknown one of Words, if there is another that can be written.
  for (int64_t token = 1; token < tokenizer.size(); ++token) {
    const std::string text = tokenizer.decode({token});
    if (!text.empty() && tokenizer.encode(text) == std::vector<int64_t>{token}) return text;
  }
  return tokenizer.decode({0});
}

}  // namespace rapt::cli
