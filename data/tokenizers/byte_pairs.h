#pragma once

#include "rapt/data/tokenizers/tokenizer.h"

namespace rapt::data {

/// Where GPT-2's tokenizer, or one made in its way, is kept.
struct BytePairFiles {
  std::string vocabulary;  ///< vocab.json (encoder.json): {"token": number, ...}
  std::string merges;  ///< merges.txt (vocab.bpe): a pair of tokens a line, the first ones first
};

/// Byte-level byte-pair encoding, as GPT-2 has it (Radford et al. 2019; Sennrich et al. 2016). The
/// text is cut into words with the blank in front of them, numbers, runs of other signs and runs of
/// white space; each piece starts as its bytes, and of all neighbours the pair that stands first in
/// the merges is joined, until none is left. Any UTF-8 text is encoded, and is decoded as it was.
///
/// What only the vocabulary has, such as "<|endoftext|>", never comes out of encode(): it is found
/// by find().
class BytePairs : public Tokenizer {
 public:
  /// Throws when a file cannot be read or is not what it should be, naming the line or the token.
  explicit BytePairs(const BytePairFiles& files);
  static BytePairs from_state(const Values& state);

  int64_t size() const override;
  /// The token of exactly these bytes, or -1.
  int64_t find(std::string_view bytes) const;
  std::vector<int64_t> encode(std::string_view text) const override;
  /// One token may be a part of a character, so that the text of some tokens need not be UTF-8.
  std::string decode(const std::vector<int64_t>& tokens) const override;
  Values state() const override;

 private:
  struct Body;
  explicit BytePairs(std::shared_ptr<const Body> body);
  std::shared_ptr<const Body> body_;
};

}  // namespace rapt::data
