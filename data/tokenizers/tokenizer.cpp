#include "rapt/data/tokenizers/tokenizer.h"

#include "rapt/autograd/error.h"
#include "rapt/data/tokenizers/byte_pairs.h"
#include "rapt/data/tokenizers/bytes.h"
#include "rapt/data/tokenizers/sentence_piece.h"
#include "rapt/data/tokenizers/vocabulary.h"
#include "rapt/data/tokenizers/words.h"

namespace rapt::data {
namespace {

template <class T>
std::shared_ptr<const Tokenizer> shared(T tokenizer) {
  return std::make_shared<const T>(std::move(tokenizer));
}

}  // namespace

void Tokenizer::require_tokens(const char* name, const std::vector<int64_t>& tokens) const {
  for (const int64_t token : tokens) {
    if (token < 0 || token >= size()) {
      fail(name, ": wanted tokens in [0, ", size(), "); got ", token);
    }
  }
}

std::shared_ptr<const Tokenizer> load_tokenizer(const Values& state) {
  if (!state.contains("kind")) {
    fail("load_tokenizer: wanted the state of a tokenizer, with its kind; got ", state.size(),
         " values without one");
  }
  const std::string& kind = state.text("kind");
  if (kind == "bytes") return shared(Bytes());
  if (kind == "characters") return shared(Vocabulary(state.text("characters")));
  if (kind == "words") return shared(Words::from_state(state));
  if (kind == "byte pairs") return shared(BytePairs::from_state(state));
  if (kind == "sentence piece") return shared(SentencePiece::from_state(state));
  fail("load_tokenizer: wanted the kind bytes, characters, words, byte pairs or sentence piece; ",
       "got ", kind);
}

}  // namespace rapt::data
