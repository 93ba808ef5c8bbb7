#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "rapt/data/dataset.h"
#include "rapt/data/tokenizers/tokenizer.h"

namespace rapt::data {

/// A UTF-8 text file as tokens: one per character (Unicode code point), or those of a tokenizer.
///
/// Held in 1 byte per token up to 256 different ones, 2 up to 65,536, else 4. Of characters the
/// file is read in pieces, so that is about all the memory it takes: 100 MB of English, 100 MB; of
/// Chinese (3 bytes each in the file), 67 MB. Copying a Text shares the tokens.
class Text {
 public:
  /// The characters that it has. Reads the file twice: for its Vocabulary, then for its tokens.
  /// Throws when it cannot be read, is empty, or is not UTF-8, naming the offset of the first bad
  /// byte.
  explicit Text(const std::string& path);
  /// With a tokenizer from elsewhere, such as that of the run which is resumed. Throws naming what
  /// the tokenizer has no token for.
  Text(const std::string& path, std::shared_ptr<const Tokenizer> tokenizer);
  template <std::derived_from<Tokenizer> T>
  Text(const std::string& path, T tokenizer)
      : Text(path,
             std::shared_ptr<const Tokenizer>(std::make_shared<const T>(std::move(tokenizer)))) {}

  /// The number of tokens.
  int64_t size() const;
  /// The token at a position, 0 <= position < size().
  int64_t operator[](int64_t position) const;
  const std::shared_ptr<const Tokenizer>& tokenizer() const;
  /// Writes the `count` tokens from `position` on to `out`. Throws when they are not all there.
  void copy(int64_t position, int64_t count, int64_t* out) const;
  /// Bytes that hold one token: 1, 2 or 4.
  int64_t bytes_per_token() const;

 private:
  struct Tokens;
  std::shared_ptr<const Tokens> tokens_;
};

struct TextOptions {
  int64_t context = 64;        ///< tokens in a window
  Split split = Split::train;  ///< the beginning of the text; test: the end, held out
  double test_fraction = 0.1;  ///< of the tokens, at the end of the text
  /// Tokens from one window's beginning to the next one's. 0 stands for 1 in training (windows at
  /// every offset) and for `context` in testing (every token is predicted once, but for the end of
  /// the text that does not fill a window).
  int64_t stride = 0;
};

/// Windows of a text: {"tokens": i64 [context], "targets": i64 [context]}, the targets being the
/// tokens shifted by one. No window of the train part sees a token of the test part.
class TextDataset : public Dataset {
 public:
  /// Throws when an option is out of range, or when the part has fewer than context + 1
  /// tokens.
  explicit TextDataset(Text text, TextOptions options = {});

  int64_t size() const override { return size_; }
  NamedTensors get(int64_t index) const override;
  const Text& text() const { return text_; }
  /// With the stride that is in use.
  const TextOptions& options() const { return options_; }

 private:
  Text text_;
  TextOptions options_;
  int64_t begin_;  // of the part, in tokens
  int64_t size_;
};

}  // namespace rapt::data
