#include "rapt/data/tokenizers/sentence_piece.h"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>
#include <cereal/external/base64.hpp>

#include "rapt/autograd/error.h"
#include "rapt/data/atomic_file.h"
#include "rapt/data/detail/input_file.h"
#include "rapt/data/utf8.h"

namespace rapt::data {
namespace {

void require_ok(const sentencepiece::util::Status& status, std::string_view what) {
  if (!status.ok()) fail("SentencePiece: ", what, ": ", status.error_message());
}

/// The lines of a text, as the trainer asks for them. Empty ones teach nothing.
class Lines : public sentencepiece::SentenceIterator {
 public:
  explicit Lines(std::string_view text) : rest_(text) { Lines::Next(); }
  bool done() const override { return done_; }
  void Next() override {
    do {
      done_ = rest_.empty();
      const size_t end = std::min(rest_.find('\n'), rest_.size());
      line_ = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
    } while (line_.empty() && !done_);
  }
  const std::string& value() const override { return line_; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::string_view rest_;
  std::string line_;
  bool done_ = false;
};

void require_options(std::string_view text, const SentencePieceOptions& options) {
  constexpr int64_t bytes_and_signs = 260;
  if (options.size <= bytes_and_signs || options.size > std::numeric_limits<int32_t>::max()) {
    fail("SentencePiece::train: wanted a size above ", bytes_and_signs,
         ", the 256 bytes and 4 signs; got ", options.size);
  }
  if (!(options.coverage > 0 && options.coverage <= 1)) {
    fail("SentencePiece::train: wanted a coverage in (0, 1]; got ", options.coverage);
  }
  if (text.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    fail("SentencePiece::train: wanted a text of less than 2 GiB; got ", text.size(), " bytes");
  }
  require_utf8(text, "SentencePiece::train");
}

}  // namespace

struct SentencePiece::Body {
  sentencepiece::SentencePieceProcessor processor;

  explicit Body(const std::string& model, const std::string& source) {
    require_ok(processor.LoadFromSerializedProto(model), source);
  }
};

bool SentencePiece::is_available() { return true; }

SentencePiece::SentencePiece(std::shared_ptr<const Body> body) : body_(std::move(body)) {}

SentencePiece::SentencePiece(const std::string& path)
    : body_(std::make_shared<const Body>(detail::InputFile("SentencePiece", path).read_all(),
                                         path)) {}

SentencePiece SentencePiece::train(std::string_view text, SentencePieceOptions options) {
  require_options(text, options);
  const bool is_unigram = options.model == SentencePieceOptions::Model::unigram;
  const std::unordered_map<std::string, std::string> settings = {
      {"vocab_size", std::to_string(options.size)},
      {"model_type", is_unigram ? "unigram" : "bpe"},
      {"character_coverage", std::to_string(options.coverage)},
      // Nothing of the text is changed or lost.
      {"normalization_rule_name", "identity"},
      {"remove_extra_whitespaces", "false"},
      {"add_dummy_prefix", "false"},
      {"byte_fallback", "true"},
      // A longer line would be left out, in silence.
      {"max_sentence_length", std::to_string(std::max<size_t>(text.size(), 1))},
      // 0 is what rapt fills up shorter sequences with.
      {"pad_id", "0"},
      {"bos_id", "1"},
      {"eos_id", "2"},
      {"unk_id", "3"},
      {"num_threads", "2"},  // always: the sums of each are put together
      {"minloglevel", "2"}};
  Lines lines(text);
  std::string model;
  require_ok(sentencepiece::SentencePieceTrainer::Train(settings, &lines, &model), "train");
  return SentencePiece(std::make_shared<const Body>(model, "train"));
}

SentencePiece SentencePiece::train_on_file(const std::string& path, SentencePieceOptions options) {
  return train(detail::InputFile("SentencePiece::train_on_file", path).read_all(), options);
}

SentencePiece SentencePiece::from_state(const Values& state) {
  return SentencePiece(std::make_shared<const Body>(cereal::base64::decode(state.text("model")),
                                                    "the model of its state"));
}

int64_t SentencePiece::size() const { return body_->processor.GetPieceSize(); }

int64_t SentencePiece::find(std::string_view piece) const {
  const int token = body_->processor.PieceToId(piece);
  return body_->processor.IdToPiece(token) == piece ? token : -1;  // the unknown piece, if unknown
}

std::vector<int64_t> SentencePiece::encode(std::string_view text) const {
  require_utf8(text, "encode");  // the library would put other characters in their place
  std::vector<int> tokens;
  require_ok(body_->processor.Encode(text, &tokens), "encode");
  return {tokens.begin(), tokens.end()};
}

std::string SentencePiece::decode(const std::vector<int64_t>& tokens) const {
  require_tokens("SentencePiece", tokens);
  std::string text;
  require_ok(body_->processor.Decode(std::vector<int>(tokens.begin(), tokens.end()), &text),
             "decode");
  return text;
}

Values SentencePiece::state() const {
  // Values are text, and a model is not.
  const std::string model = body_->processor.serialized_model_proto();
  return {{"kind", "sentence piece"},
          {"model", cereal::base64::encode(reinterpret_cast<const unsigned char*>(model.data()),
                                           model.size())}};
}

void SentencePiece::save(const std::string& path) const {
  const std::string model = body_->processor.serialized_model_proto();
  AtomicFile file(path);
  file.write(model.data(), model.size());
  file.commit();
}

}  // namespace rapt::data
