#include "rapt/data/tokenizers/words.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "rapt/autograd/error.h"
#include "rapt/autograd/function_ref.h"
#include "rapt/data/detail/input_file.h"
#include "rapt/data/utf8.h"

namespace rapt::data {
namespace {

void for_each_word(std::string_view text, FunctionRef<void(std::string_view)> f) {
  constexpr std::string_view white = " \t\n\v\f\r";
  size_t begin = text.find_first_not_of(white);
  while (begin != std::string_view::npos) {
    const size_t end = std::min(text.find_first_of(white, begin), text.size());
    f(text.substr(begin, end - begin));
    begin = text.find_first_not_of(white, end);
  }
}

}  // namespace

struct Words::Body {
  std::vector<std::string> words;                        // by token
  std::unordered_map<std::string_view, int64_t> tokens;  // of the known ones, which lie in `words`

  /// The words but the unknown one, in the order of their tokens.
  explicit Body(std::vector<std::string> known) : words(std::move(known)) {
    words.insert(words.begin(), "<unk>");
    for (size_t i = 1; i < words.size(); ++i) tokens.emplace(words[i], static_cast<int64_t>(i));
  }
};

Words::Words(std::shared_ptr<const Body> body) : body_(std::move(body)) {}

Words::Words(std::string_view text, WordsOptions options) {
  if (options.max_size < 2) {
    fail("Words: wanted a max_size of at least 2, the unknown word and another; got ",
         options.max_size);
  }
  if (options.min_count < 1) {
    fail("Words: wanted a min_count of at least 1; got ", options.min_count);
  }
  require_utf8(text, "Words");
  std::unordered_map<std::string_view, int64_t> counts;
  for_each_word(text, [&](std::string_view word) { ++counts[word]; });
  std::vector<std::pair<std::string_view, int64_t>> order;
  for (const auto& entry : counts) {
    if (entry.second >= options.min_count) order.emplace_back(entry);
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (order.empty()) {
    fail("Words: wanted a word that the text has at least ", options.min_count, " times; got ",
         counts.size(), " different ones, each less often");
  }
  if (order.size() >= static_cast<size_t>(options.max_size)) {
    order.resize(static_cast<size_t>(options.max_size) - 1);
  }
  std::vector<std::string> known;
  for (const auto& entry : order) known.emplace_back(entry.first);
  body_ = std::make_shared<const Body>(std::move(known));
}

Words Words::of_file(const std::string& path, WordsOptions options) {
  return Words(detail::InputFile("Words", path).read_all(), options);
}

Words Words::from_state(const Values& state) {
  std::vector<std::string> known;
  for_each_word(state.text("words"), [&](std::string_view word) { known.emplace_back(word); });
  auto body = std::make_shared<const Body>(std::move(known));
  if (body->tokens.empty() || body->tokens.size() + 1 != body->words.size()) {
    fail("Words: wanted a state with words, each once; got ", body->words.size() - 1, ", ",
         body->tokens.size(), " of them different");
  }
  return Words(std::move(body));
}

int64_t Words::size() const { return static_cast<int64_t>(body_->words.size()); }

int64_t Words::find(std::string_view word) const {
  const auto found = body_->tokens.find(word);
  return found == body_->tokens.end() ? unknown : found->second;
}

std::vector<int64_t> Words::encode(std::string_view text) const {
  require_utf8(text, "encode");
  std::vector<int64_t> out;
  for_each_word(text, [&](std::string_view word) { out.push_back(find(word)); });
  return out;
}

std::string Words::decode(const std::vector<int64_t>& tokens) const {
  require_tokens("Words", tokens);
  std::string out;
  for (const int64_t token : tokens) {
    if (!out.empty()) out += ' ';
    out += body_->words[static_cast<size_t>(token)];
  }
  return out;
}

Values Words::state() const {
  std::string words;
  for (size_t i = 1; i < body_->words.size(); ++i) words += body_->words[i] + "\n";
  return {{"kind", "words"}, {"words", words}};
}

}  // namespace rapt::data
