#include "rapt/data/tokenizers/byte_pairs.h"

#include <algorithm>
#include <array>
#include <queue>
#include <unordered_map>
#include <utility>

#include <nlohmann/json.hpp>

#include "rapt/autograd/error.h"
#include "rapt/data/detail/gpt2_pieces.h"
#include "rapt/data/detail/input_file.h"
#include "rapt/data/utf8.h"

namespace rapt::data {
namespace {

/// The files write a byte as a character that can be seen: itself where it can, else one of those
/// from U+0100 on, in order.
char32_t character_of_byte(unsigned char byte) {
  const auto is_shown = [](int b) {
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
  };
  if (is_shown(byte)) return byte;
  char32_t hidden = 0;
  for (int b = 0; b < byte; ++b) hidden += is_shown(b) ? 0 : 1;
  return 0x100 + hidden;
}

/// The bytes that a token of the files stands for. One with a character that stands for none, such
/// as one that was added by hand with a blank in it, is its own text.
class Alphabet {
 public:
  Alphabet() {
    for (int byte = 0; byte < 256; ++byte) {
      bytes_.emplace(character_of_byte(static_cast<unsigned char>(byte)), static_cast<char>(byte));
    }
  }
  std::string bytes_of(const std::string& token, const char* source) const {
    std::string out;
    for (const char32_t character : decode_utf8(token, source)) {
      const auto byte = bytes_.find(character);
      if (byte == bytes_.end()) return token;
      out += byte->second;
    }
    return out;
  }

 private:
  std::unordered_map<char32_t, char> bytes_;
};

struct Merge {
  int64_t rank = 0;   // the lower, the sooner
  int64_t token = 0;  // what the pair becomes
};

}  // namespace

struct BytePairs::Body {
  std::string vocabulary, merges_text;  // as they were read
  std::vector<std::string> tokens;      // their bytes
  std::unordered_map<std::string_view, int64_t> numbers;
  std::array<int64_t, 256> of_byte{};
  std::unordered_map<uint64_t, Merge> merges;

  Body(std::string vocabulary, std::string merges);
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;

  /// The merge of two neighbours, or null.
  const Merge* merge_of(int64_t left, int64_t right) const {
    const auto found = merges.find(key(left, right));
    return found == merges.end() ? nullptr : &found->second;
  }
  void encode_piece(std::string_view piece, std::vector<int64_t>& out) const;

 private:
  static uint64_t key(int64_t left, int64_t right) {
    return (static_cast<uint64_t>(left) << 32) | static_cast<uint64_t>(right);
  }
  void read_vocabulary(const Alphabet& alphabet);
  void read_merges(const Alphabet& alphabet);
  void add_merge(const Alphabet& alphabet, const std::string& line, int64_t line_number);
  int64_t number_of(const std::string& bytes) const {
    const auto found = numbers.find(bytes);
    return found == numbers.end() ? -1 : found->second;
  }
};

BytePairs::Body::Body(std::string vocabulary_json, std::string merges_lines)
    : vocabulary(std::move(vocabulary_json)), merges_text(std::move(merges_lines)) {
  const Alphabet alphabet;
  read_vocabulary(alphabet);
  read_merges(alphabet);
}

void BytePairs::Body::read_vocabulary(const Alphabet& alphabet) {
  const auto object = nlohmann::json::parse(vocabulary, nullptr, false);
  if (!object.is_object() || object.empty()) {
    fail("BytePairs: the vocabulary: wanted a JSON object of tokens and their numbers; got ",
         object.is_discarded() ? "what is not JSON" : object.type_name());
  }
  tokens.resize(object.size());
  std::vector<bool> taken(object.size());
  for (const auto& entry : object.items()) {
    const auto& number = entry.value();
    if (!number.is_number_unsigned() || number.get<uint64_t>() >= tokens.size() ||
        taken[number.get<size_t>()]) {
      fail("BytePairs: the vocabulary: wanted the numbers 0 to ", tokens.size() - 1,
           ", each once; got ", entry.key(), ": ", number.dump());
    }
    taken[number.get<size_t>()] = true;
    tokens[number.get<size_t>()] = alphabet.bytes_of(entry.key(), "BytePairs: the vocabulary");
  }
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!numbers.emplace(tokens[i], static_cast<int64_t>(i)).second) {
      fail("BytePairs: the vocabulary: wanted different tokens; got ", number_of(tokens[i]),
           " and ", i, " with the same bytes");
    }
  }
  for (size_t byte = 0; byte < of_byte.size(); ++byte) {
    of_byte[byte] = number_of(std::string(1, static_cast<char>(byte)));
    if (of_byte[byte] < 0) {
      fail("BytePairs: the vocabulary: wanted a token for each of the 256 bytes; got none for ",
           byte);
    }
  }
}

void BytePairs::Body::read_merges(const Alphabet& alphabet) {
  int64_t line_number = 0;
  for (size_t begin = 0; begin < merges_text.size();) {
    const size_t end = std::min(merges_text.find('\n', begin), merges_text.size());
    std::string line = merges_text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    begin = end + 1;
    ++line_number;
    if (line.empty() || (line_number == 1 && line.starts_with("#version"))) continue;
    add_merge(alphabet, line, line_number);
  }
}

void BytePairs::Body::add_merge(const Alphabet& alphabet, const std::string& line,
                                int64_t line_number) {
  const char* const source = "BytePairs: the merges";
  const size_t blank = line.find(' ');
  if (blank == 0 || blank == std::string::npos || blank + 1 == line.size() ||
      line.find(' ', blank + 1) != std::string::npos) {
    fail(source, ", line ", line_number, ": wanted two tokens with a blank between them; got ",
         line);
  }
  const std::string left = alphabet.bytes_of(line.substr(0, blank), source);
  const std::string right = alphabet.bytes_of(line.substr(blank + 1), source);
  const int64_t a = number_of(left), b = number_of(right), token = number_of(left + right);
  if (a < 0 || b < 0 || token < 0) {
    fail(source, ", line ", line_number,
         ": wanted tokens of the vocabulary, and that of both "
         "together; got ",
         line);
  }
  const auto rank = static_cast<int64_t>(merges.size());
  merges.emplace(key(a, b), Merge{rank, token});
}

/// Neighbours are joined in the order of the merges and, of one merge, from the left. All pairs
/// wait in a queue: n log n, where looking for the first one again and again would be n^2, of which
/// a long piece (a line of dashes) would be slow.
void BytePairs::Body::encode_piece(std::string_view piece, std::vector<int64_t>& out) const {
  struct Symbol {
    int64_t token;  // -1: joined to the one before
    size_t before, next;
  };
  struct Pair {
    int64_t rank;
    size_t left;
    int64_t left_token, right_token;  // as they were: either may have been joined since
    bool operator>(const Pair& o) const { return rank != o.rank ? rank > o.rank : left > o.left; }
  };
  const size_t n = piece.size();
  std::vector<Symbol> symbols(n);
  for (size_t i = 0; i < n; ++i) {
    symbols[i] = {of_byte[static_cast<unsigned char>(piece[i])], i - 1, i + 1};
  }
  std::priority_queue<Pair, std::vector<Pair>, std::greater<>> queue;
  const auto push = [&](size_t left, size_t right) {
    if (left >= n || right >= n) return;  // before the first, or behind the last
    const int64_t a = symbols[left].token, b = symbols[right].token;
    if (const Merge* merge = merge_of(a, b)) queue.push({merge->rank, left, a, b});
  };
  for (size_t i = 0; i + 1 < n; ++i) push(i, i + 1);
  while (!queue.empty()) {
    const Pair pair = queue.top();
    queue.pop();
    Symbol& left = symbols[pair.left];
    if (left.token != pair.left_token || left.next >= n) continue;
    Symbol& right = symbols[left.next];
    if (right.token != pair.right_token) continue;
    left.token = merge_of(pair.left_token, pair.right_token)->token;
    right.token = -1;
    left.next = right.next;
    if (left.next < n) symbols[left.next].before = pair.left;
    push(left.before, pair.left);
    push(pair.left, left.next);
  }
  for (size_t i = 0; i < n; i = symbols[i].next) out.push_back(symbols[i].token);
}

BytePairs::BytePairs(std::shared_ptr<const Body> body) : body_(std::move(body)) {}

BytePairs::BytePairs(const BytePairFiles& files)
    : body_(
          std::make_shared<const Body>(detail::InputFile("BytePairs", files.vocabulary).read_all(),
                                       detail::InputFile("BytePairs", files.merges).read_all())) {}

BytePairs BytePairs::from_state(const Values& state) {
  return BytePairs(std::make_shared<const Body>(state.text("vocabulary"), state.text("merges")));
}

int64_t BytePairs::size() const { return static_cast<int64_t>(body_->tokens.size()); }

int64_t BytePairs::find(std::string_view bytes) const {
  const auto found = body_->numbers.find(bytes);
  return found == body_->numbers.end() ? -1 : found->second;
}

std::vector<int64_t> BytePairs::encode(std::string_view text) const {
  std::vector<int64_t> out;
  detail::for_each_gpt2_piece(text,
                              [&](std::string_view piece) { body_->encode_piece(piece, out); });
  return out;
}

std::string BytePairs::decode(const std::vector<int64_t>& tokens) const {
  require_tokens("BytePairs", tokens);
  std::string out;
  for (const int64_t token : tokens) out += body_->tokens[static_cast<size_t>(token)];
  return out;
}

Values BytePairs::state() const {
  return {
      {"kind", "byte pairs"}, {"vocabulary", body_->vocabulary}, {"merges", body_->merges_text}};
}

}  // namespace rapt::data
