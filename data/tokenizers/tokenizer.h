#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rapt/autograd/values.h"

namespace rapt::data {

/// Text to tokens, which are numbers, and back. A tokenizer is a value that does not change; a copy
/// is cheap, and several threads may use one.
///
///   Bytes          a token per byte: any text, no vocabulary
///   Vocabulary     a token per character of some text
///   Words          a token per word that is frequent; the others are one and the same
///   BytePairs      GPT-2's subwords, from its two files
///   SentencePiece  subwords that are trained on some text
///
/// A model is of no use without its tokenizer. It goes where the weights go:
///
///   checkpoint.values.set_all("tokenizer.", tokenizer.state());
///   ...
///   const auto tokenizer = data::load_tokenizer(checkpoint.values.with_prefix("tokenizer."));
///
/// One of your own is a class of this base; `encode` and `decode` are all that rapt asks of it.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// How many tokens there are: 0 ... size() - 1.
  virtual int64_t size() const = 0;
  /// UTF-8 text -> tokens. Throws when the text is not UTF-8 (but for Bytes), or holds what the
  /// tokenizer has no token for.
  virtual std::vector<int64_t> encode(std::string_view text) const = 0;
  /// Tokens -> text. Throws naming a token that does not exist.
  virtual std::string decode(const std::vector<int64_t>& tokens) const = 0;
  /// All that makes it again: its "kind", and what that kind needs.
  virtual Values state() const = 0;

 protected:
  Tokenizer() = default;
  Tokenizer(const Tokenizer&) = default;
  Tokenizer(Tokenizer&&) = default;
  Tokenizer& operator=(const Tokenizer&) = default;
  Tokenizer& operator=(Tokenizer&&) = default;

  /// Throws an Error of `name` that names the first of the tokens that does not exist.
  void require_tokens(const char* name, const std::vector<int64_t>& tokens) const;
};

/// The tokenizer of rapt's whose state() that is. Throws when it is none, or of one of your own.
std::shared_ptr<const Tokenizer> load_tokenizer(const Values& state);

}  // namespace rapt::data
