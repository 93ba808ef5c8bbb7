#pragma once

#include "rapt/data/tokenizers/tokenizer.h"

namespace rapt::data {

/// The characters of a text, numbered. A character is one Unicode code point (not a byte, and not
/// what a reader may see as one letter: "e" with a combining accent is two).
class Vocabulary : public Tokenizer {
 public:
  /// The characters of `text` (UTF-8), each once, in order of their code points. So a vocabulary is
  /// saved as characters(), and made again from it. Throws when the text is empty or not UTF-8.
  explicit Vocabulary(std::string_view text);
  /// All the characters of a text file. Reads it in pieces, so a file of any size takes little
  /// memory. Throws when the file cannot be read, is empty, or is not UTF-8 (naming the offset of
  /// the first bad byte).
  static Vocabulary of_file(const std::string& path);

  /// How many characters there are: tokens are 0 ... size() - 1.
  int64_t size() const override { return static_cast<int64_t>(characters_.size()); }
  /// Every character in order of its token, as UTF-8.
  std::string characters() const;

  /// The token of a character, or -1 when it is not in the vocabulary.
  int64_t find(char32_t character) const {
    return character < tokens_.size() ? tokens_[character] : -1;
  }
  /// The token of a character; throws naming it when it is not in the vocabulary.
  int64_t token(char32_t character) const;

  /// UTF-8 text -> tokens. Throws naming a character that is not in the vocabulary.
  std::vector<int64_t> encode(std::string_view text) const override;
  /// Tokens -> UTF-8 text. Throws naming a token that does not exist.
  std::string decode(const std::vector<int64_t>& tokens) const override;
  Values state() const override;

 private:
  Vocabulary() = default;
  void number(const std::vector<bool>& present);  // by code point

  std::u32string characters_;    // by token, ascending
  std::vector<int32_t> tokens_;  // by code point, up to the largest there is; -1: none
};

}  // namespace rapt::data
