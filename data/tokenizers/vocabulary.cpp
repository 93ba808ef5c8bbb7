#include "rapt/data/tokenizers/vocabulary.h"

#include "rapt/autograd/error.h"
#include "rapt/data/detail/input_file.h"
#include "rapt/data/utf8.h"

namespace rapt::data {
namespace {

constexpr size_t code_points = 0x110000;  // in Unicode

}  // namespace

Vocabulary::Vocabulary(std::string_view text) {
  std::vector<bool> present(code_points);
  for (const char32_t character : decode_utf8(text, "Vocabulary")) present[character] = true;
  number(present);
  if (characters_.empty()) fail("Vocabulary: wanted at least one character; got an empty text");
}

Vocabulary Vocabulary::of_file(const std::string& path) {
  const detail::InputFile file("Vocabulary", path);
  std::vector<bool> present(code_points);
  Utf8Reader reader(path);
  file.read_pieces([&](std::string_view piece) {
    reader.read(piece, [&](char32_t character) { present[character] = true; });
  });
  reader.finish();
  Vocabulary out;
  out.number(present);
  if (out.characters_.empty()) fail("Vocabulary: wanted a file with text; got the empty ", path);
  return out;
}

void Vocabulary::number(const std::vector<bool>& present) {
  for (char32_t character = 0; character < present.size(); ++character) {
    if (!present[character]) continue;
    tokens_.resize(character + 1, -1);
    tokens_[character] = static_cast<int32_t>(characters_.size());
    characters_.push_back(character);
  }
}

std::string Vocabulary::characters() const {
  std::string out;
  for (const char32_t character : characters_) append_utf8(out, character);
  return out;
}

int64_t Vocabulary::token(char32_t character) const {
  const int64_t token = find(character);
  if (token < 0) {
    fail("Vocabulary: wanted one of the ", size(), " characters it was made of; got ",
         describe_code_point(character));
  }
  return token;
}

std::vector<int64_t> Vocabulary::encode(std::string_view text) const {
  std::vector<int64_t> out;
  Utf8Reader reader("encode");
  reader.read(text, [&](char32_t character) { out.push_back(token(character)); });
  reader.finish();
  return out;
}

std::string Vocabulary::decode(const std::vector<int64_t>& tokens) const {
  require_tokens("Vocabulary", tokens);
  std::string out;
  for (const int64_t token : tokens) append_utf8(out, characters_[static_cast<size_t>(token)]);
  return out;
}

Values Vocabulary::state() const { return {{"kind", "characters"}, {"characters", characters()}}; }

}  // namespace rapt::data
