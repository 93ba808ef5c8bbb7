#pragma once

#include "rapt/data/tokenizers/tokenizer.h"

namespace rapt::data {

struct WordsOptions {
  int64_t max_size = 10000;  ///< tokens at most, the unknown word among them
  int64_t min_count = 1;     ///< a word that the text has less often is unknown
};

/// A token per word. A word is what stands between two pieces of white space (ASCII's: blank, tab,
/// line break, ...), so that "end." is another word than "end". Token 0 is every word that is not
/// known, and is decoded as "<unk>"; the others are in the order of how often the text has them,
/// ties in the order of their bytes. decode() puts one blank between words, so what was encoded
/// comes back with its white space made even.
class Words : public Tokenizer {
 public:
  static constexpr int64_t unknown = 0;

  /// The words of a UTF-8 text. Throws when there are none, when it is not UTF-8, or when an option
  /// is out of range.
  explicit Words(std::string_view text, WordsOptions options = {});
  /// All the words of a text file.
  static Words of_file(const std::string& path, WordsOptions options = {});
  static Words from_state(const Values& state);

  int64_t size() const override;
  /// The token of a word; `unknown` when it is not known.
  int64_t find(std::string_view word) const;
  std::vector<int64_t> encode(std::string_view text) const override;
  std::string decode(const std::vector<int64_t>& tokens) const override;
  Values state() const override;

 private:
  struct Body;
  explicit Words(std::shared_ptr<const Body> body);
  std::shared_ptr<const Body> body_;
};

}  // namespace rapt::data
