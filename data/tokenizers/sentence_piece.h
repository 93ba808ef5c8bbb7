#pragma once

#include "rapt/data/tokenizers/tokenizer.h"

namespace rapt::data {

struct SentencePieceOptions {
  int64_t size = 8000;  ///< tokens; a text may have too little in it for so many
  /// unigram: the pieces under which the text is most likely (Kudo 2018). bpe: pairs joined from
  /// the most frequent one on (Sennrich et al. 2016).
  enum class Model : uint8_t { unigram, bpe } model = Model::unigram;
  /// The share of the text's characters that have a token of their own; the rest is made of bytes.
  double coverage = 0.9995;
};

/// Subwords by the library SentencePiece (Kudo and Richardson 2018). rapt has it where
/// libsentencepiece-dev was there when it was built; elsewhere each way to make one throws and says
/// so.
class SentencePiece : public Tokenizer {
 public:
  /// Whether rapt was built with it.
  static bool is_available();

  /// From a model file of SentencePiece's (name.model), whoever trained it. What such a one does to
  /// a text before it encodes it (letters made even, blanks dropped) is its own affair.
  explicit SentencePiece(const std::string& path);
  /// Trained on a UTF-8 text, line by line. Nothing is changed before it is encoded, and characters
  /// that have no token are made of bytes: every text is decoded as it was, but for U+2581, which
  /// stands for a blank there. Throws when the text
  /// has too little in it for so many tokens, saying how many it has. The same text and options
  /// give the same tokenizer.
  static SentencePiece train(std::string_view text, SentencePieceOptions options = {});
  /// The same on all of a text file.
  static SentencePiece train_on_file(const std::string& path, SentencePieceOptions options = {});
  static SentencePiece from_state(const Values& state);

  int64_t size() const override;
  /// The token that is written so, such as "<s>" or "▁the" (which stands for " the"), or -1.
  int64_t find(std::string_view piece) const;
  std::vector<int64_t> encode(std::string_view text) const override;
  std::string decode(const std::vector<int64_t>& tokens) const override;
  Values state() const override;

  /// Writes it as SentencePiece's own programs read it: see AtomicFile for what holds when it
  /// throws.
  void save(const std::string& path) const;

 private:
  struct Body;
  explicit SentencePiece(std::shared_ptr<const Body> body);
  std::shared_ptr<const Body> body_;
};

}  // namespace rapt::data
