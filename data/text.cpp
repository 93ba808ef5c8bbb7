#include "rapt/data/text.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "rapt/autograd/create.h"
#include "rapt/autograd/error.h"
#include "rapt/data/detail/input_file.h"
#include "rapt/data/utf8.h"

namespace rapt::data {

struct Text::Tokens {
  Vocabulary vocabulary;
  // The smallest integers that hold every token.
  std::variant<std::vector<uint8_t>, std::vector<uint16_t>, std::vector<uint32_t>> values;
};

Text::Text(const std::string& path) : Text(path, Vocabulary::of_file(path)) {}

Text::Text(const std::string& path, Vocabulary vocabulary) {
  auto tokens = std::make_shared<Tokens>(Tokens{std::move(vocabulary), {}});
  if (tokens->vocabulary.size() > 0x10000) {
    tokens->values.emplace<std::vector<uint32_t>>();
  } else if (tokens->vocabulary.size() > 0x100) {
    tokens->values.emplace<std::vector<uint16_t>>();
  }
  const detail::InputFile file("Text", path);
  std::visit(
      [&](auto& values) {
        using T = typename std::remove_reference_t<decltype(values)>::value_type;
        Utf8Reader reader(path);
        // Counted first, so that the tokens are never copied into a larger block.
        size_t count = 0;
        file.read_pieces([&](std::string_view piece) {
          count += static_cast<size_t>(
              std::count_if(piece.begin(), piece.end(), [](char c) { return (c & 0xC0) != 0x80; }));
        });
        values.reserve(count);
        file.read_pieces([&](std::string_view piece) {
          reader.read(piece, [&](char32_t character) {
            const int64_t token = tokens->vocabulary.find(character);
            if (token < 0) {
              fail("Text: ", path, ": wanted characters of the vocabulary; got ",
                   describe_code_point(character), ", which ends at byte ", reader.offset());
            }
            values.push_back(static_cast<T>(token));
          });
        });
        reader.finish();
      },
      tokens->values);
  tokens_ = std::move(tokens);
  if (size() == 0) fail("Text: wanted a file with text; got the empty ", path);
}

const Vocabulary& Text::vocabulary() const { return tokens_->vocabulary; }

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
    fail("TextDataset: wanted at least context + 1 characters in the ", train ? "train" : "test",
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
