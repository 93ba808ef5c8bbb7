// In the place of sentence_piece.cpp where the library was not found.
#include "rapt/autograd/error.h"
#include "rapt/data/tokenizers/sentence_piece.h"

namespace rapt::data {
namespace {

[[noreturn]] void fail_without_library() {
  fail(
      "SentencePiece: rapt was built without it; install libsentencepiece-dev and configure rapt "
      "again");
}

}  // namespace

struct SentencePiece::Body {};

bool SentencePiece::is_available() { return false; }
SentencePiece::SentencePiece(std::shared_ptr<const Body>) { fail_without_library(); }
SentencePiece::SentencePiece(const std::string&) { fail_without_library(); }
SentencePiece SentencePiece::train(std::string_view, SentencePieceOptions) {
  fail_without_library();
}
SentencePiece SentencePiece::train_on_file(const std::string&, SentencePieceOptions) {
  fail_without_library();
}
SentencePiece SentencePiece::from_state(const Values&) { fail_without_library(); }
int64_t SentencePiece::size() const { fail_without_library(); }
int64_t SentencePiece::find(std::string_view) const { fail_without_library(); }
std::vector<int64_t> SentencePiece::encode(std::string_view) const { fail_without_library(); }
std::string SentencePiece::decode(const std::vector<int64_t>&) const { fail_without_library(); }
Values SentencePiece::state() const { fail_without_library(); }
void SentencePiece::save(const std::string&) const { fail_without_library(); }

}  // namespace rapt::data
