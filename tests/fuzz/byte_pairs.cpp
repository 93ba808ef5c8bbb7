// The reader of GPT-2's tokenizers, and its cutting of texts: files are refused or, if taken, each
// text is decoded as it was. The input is three texts with a byte 0 behind each: the vocabulary (in
// the place of an empty one, the bytes and what the merges make), the merges, and what is encoded.

#include <array>

#include <nlohmann/json.hpp>

#include "rapt/autograd/error.h"
#include "rapt/data/tokenizers/byte_pairs.h"
#include "rapt/data/utf8.h"
#include "scratch.h"

namespace {

std::string vocabulary_of(std::string_view merges) {
  nlohmann::json out = nlohmann::json::object();
  char32_t hidden = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool shown = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    std::string name;
    rapt::data::append_utf8(name, shown ? static_cast<char32_t>(byte) : hidden++);
    out[name] = byte;
  }
  while (!merges.empty()) {
    const size_t end = std::min(merges.find('\n'), merges.size());
    std::string joined(merges.substr(0, end));
    std::erase(joined, ' ');
    out.emplace(joined, out.size());
    merges.remove_prefix(std::min(end + 1, merges.size()));
  }
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rapt;
  std::string_view rest = fuzz::view(data, size);
  std::array<std::string_view, 3> texts;
  for (std::string_view& text : texts) {
    const size_t end = std::min(rest.find('\0'), rest.size());
    text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const auto& [vocabulary, merges, text] = texts;
  try {
    const data::BytePairs tokenizer(
        {.vocabulary = fuzz::written(
             "vocab.json", vocabulary.empty() ? vocabulary_of(merges) : std::string(vocabulary)),
         .merges = fuzz::written("merges.txt", merges)});
    if (tokenizer.decode(tokenizer.encode(text)) != text) std::abort();
    const data::BytePairs again = data::BytePairs::from_state(tokenizer.state());
    if (again.encode(text) != tokenizer.encode(text)) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
