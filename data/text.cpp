#include "rapt/data/text.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>
#include <vector>

#include "rapt/autograd/create.h"
#include "rapt/autograd/error.h"
#include "rapt/data/detail/input_file.h"
#include "rapt/data/tokenizers/vocabulary.h"
#include "rapt/data/utf8.h"

namespace rapt::data {

struct Text::Tokens {
  std::shared_ptr<const Tokenizer> tokenizer;
  // The smallest integers that hold every token.
  std::variant<std::vector<uint8_t>, std::vector<uint16_t>, std::vector<uint32_t>> values;
};

namespace {

/// A token per character, piece by piece.
template <class T>
void read_characters(const detail::InputFile& file, const std::string& path,
                     const Vocabulary& vocabulary, std::vector<T>& values) {
  Utf8Reader reader(path);
  // Counted first, so that the tokens are never copied into a larger block.
  int64_t count = 0;
  file.read_pieces([&](std::string_view piece) { count += character_count(piece); });
  values.reserve(static_cast<size_t>(count));
  file.read_pieces([&](std::string_view piece) {
    reader.read(piece, [&](char32_t character) {
      const int64_t token = vocabulary.find(character);
      if (token < 0) {
        fail("Text: ", path, ": wanted characters of the vocabulary; got ",
             describe_code_point(character), ", which ends at byte ", reader.offset());
      }
      values.push_back(static_cast<T>(token));
    });
  });
  reader.finish();
}

template <class T>
void read_tokens(const detail::InputFile& file, const std::string& path, const Tokenizer& tokenizer,
                 std::vector<T>& values) {
  std::vector<int64_t> tokens;
  try {
    tokens = tokenizer.encode(file.read_all());
  } catch (const Error& error) {
    fail("Text: ", path, ": ", error.what());
  }
  values.reserve(tokens.size());
  for (const int64_t token : tokens) {
    if (token < 0 || token >= tokenizer.size()) {
      fail("Text: wanted a tokenizer whose tokens are in [0, ", tokenizer.size(), "); got ", token);
    }
    values.push_back(static_cast<T>(token));
  }
}

}  // namespace

Text::Text(const std::string& path) : Text(path, Vocabulary::of_file(path)) {}

Text::Text(const std::string& path, std::shared_ptr<const Tokenizer> tokenizer) {
  if (!tokenizer) fail("Text: wanted a tokenizer; got a null pointer");
  auto tokens = std::make_shared<Tokens>(Tokens{std::move(tokenizer), {}});
  const Tokenizer& by = *tokens->tokenizer;
  if (by.size() > 0x10000) {
    tokens->values.emplace<std::vector<uint32_t>>();
  } else if (by.size() > 0x100) {
    tokens->values.emplace<std::vector<uint16_t>>();
  }
  const detail::InputFile file("Text", path);
  std::visit(
      [&](auto& values) {
        if (const auto* vocabulary = dynamic_cast<const Vocabulary*>(&by)) {
          read_characters(file, path, *vocabulary, values);
        } else {
          read_tokens(file, path, by, values);
        }
      },
      tokens->values);
  tokens_ = std::move(tokens);
  if (size() == 0) fail("Text: wanted a file with text; got the empty ", path);
}

const std::shared_ptr<const Tokenizer>& Text::tokenizer() const { return tokens_->tokenizer; }

int64_t Text::size() const {
  return std::visit([](const auto& values) { return static_cast<int64_t>(values.size()); },
                    tokens_->values);
}

int64_t Text::bytes_per_token() const {
  return std::visit([](const auto& values) { return static_cast<int64_t>(sizeof(values[0])); },
                    tokens_->values);
}

int64_t Text::operator[](int64_t position) const {
  int64_t token = 0;
  copy(position, 1, &token);
  return token;
}

void Text::copy(int64_t position, int64_t count, int64_t* out) const {
  if (position < 0 || count < 0 || position > size() - count) {
    fail("Text: wanted positions in [0, ", size(), "); got ", count, " from ", position, " on");
  }
  std::visit([&](const auto& values) { std::copy_n(values.begin() + position, count, out); },
             tokens_->values);
}

TextDataset::TextDataset(Text text, TextOptions options)
    : text_(std::move(text)), options_(options) {
  const int64_t context = options_.context;
  if (context < 1) fail("TextDataset: wanted a context of at least 1 token; got ", context);
  if (!(options_.test_fraction >= 0 && options_.test_fraction <= 1)) {
    fail("TextDataset: wanted a test_fraction in [0, 1]; got ", options_.test_fraction);
  }
  if (options_.stride < 0) {
    fail("TextDataset: wanted a stride of at least 1, or 0 for the default; got ", options_.stride);
  }
  const bool train = options_.split == Split::train;
  if (options_.stride == 0) options_.stride = train ? 1 : context;

  const auto held_out =
      static_cast<int64_t>(std::ceil(static_cast<double>(text_.size()) * options_.test_fraction));
  const int64_t border = text_.size() - std::min(held_out, text_.size());
  begin_ = train ? 0 : border;
  const int64_t length = train ? border : text_.size() - border;
  if (length - 1 < context) {
    fail("TextDataset: wanted at least context + 1 tokens in the ", train ? "train" : "test",
         " part; got ", length, " of the text's ", text_.size(), " and a context of ", context);
  }
  size_ = (length - 1 - context) / options_.stride + 1;
}

NamedTensors TextDataset::get(int64_t index) const {
  if (index < 0 || index >= size_) {
    fail("TextDataset: wanted an index in [0, ", size_, "); got ", index);
  }
  const int64_t position = begin_ + index * options_.stride;
  Tensor tokens = zeros({options_.context}, Dtype::i64);
  Tensor targets = zeros({options_.context}, Dtype::i64);
  text_.copy(position, options_.context, tokens.mutable_data<int64_t>());
  text_.copy(position + 1, options_.context, targets.mutable_data<int64_t>());
  return {{"tokens", tokens}, {"targets", targets}};
}

}  // namespace rapt::data
