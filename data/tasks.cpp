#include "rapt/data/tasks.h"

#include <algorithm>

#include "rapt/autograd/create.h"
#include "rapt/autograd/error.h"
#include "rapt/autograd/random.h"
#include "rapt/data/detail/hash.h"
#include "rapt/data/detail/task_kinds.h"

namespace rapt::data {
namespace {

using detail::kind_of;
using detail::mix;
using detail::Symbols;

constexpr int64_t ignored = -100;  // cross_entropy's ignore_index

/// A length is split only if it has this many sequences, so that what is left to learn from still
/// shows every symbol at every place, and some are held out.
constexpr double smallest_split = 256;
constexpr uint64_t one_in = 10;  // sequences that are held out

/// The first length that is split; above all that there are where none is.
int64_t shortest_split_length(const detail::TaskKind& kind, int64_t symbols) {
  const int64_t most = kind.most_length(symbols);
  int64_t length = kind.least_length;
  while (length <= most && kind.inputs(length, symbols) < smallest_split) ++length;
  return length;
}

/// Which side a sequence of a length that is split belongs to: a function of the sequence alone, so
/// that no seed, task or range of lengths can bring one of the test side into training.
Split side_of(const Symbols& sequence) {
  uint64_t hash = 0;
  for (const int64_t symbol : sequence) hash = mix(hash, static_cast<uint64_t>(symbol) + 1);
  return hash % one_in == 0 ? Split::test : Split::train;
}

/// The options with the task's own numbers in the place of 0. Throws when one is out of range.
TaskOptions filled(TaskOptions o) {
  const detail::TaskKind& kind = kind_of(o.task);
  if (o.symbols == 0) o.symbols = kind.symbols;
  const int64_t most_symbols = std::ssize(kind.letters);
  if (o.symbols < kind.least_symbols || o.symbols > most_symbols) {
    fail("TaskDataset: wanted ", kind.least_symbols, " to ", most_symbols, " symbols for ",
         kind.name, "; got ", o.symbols);
  }
  const int64_t most_length = kind.most_length(o.symbols);
  if (o.max_length == 0) o.max_length = std::max(o.min_length, std::min(kind.longest, most_length));
  if (o.min_length == 0) o.min_length = std::min(kind.least_length, o.max_length);
  if (o.min_length < kind.least_length || o.max_length < o.min_length) {
    fail("TaskDataset: wanted ", kind.least_length, " <= min_length <= max_length; got ",
         o.min_length, " and ", o.max_length);
  }
  if (o.max_length > most_length) {
    fail("TaskDataset: wanted a max_length of at most ", most_length, " for ", kind.name, "; got ",
         o.max_length);
  }
  if (o.size < 1) fail("TaskDataset: wanted a size of at least 1; got ", o.size);
  return o;
}

}  // namespace

std::string_view name_of(Task task) { return kind_of(task).name; }

std::string task_names() { return detail::kind_names(); }

bool is_task(std::string_view name) { return detail::kind_named(name) != nullptr; }

Task task_named(std::string_view name) {
  const detail::TaskKind* kind = detail::kind_named(name);
  if (kind == nullptr) fail("task: wanted one of ", task_names(), "; got \"", name, "\"");
  return kind->task;
}

TaskDataset::TaskDataset(TaskOptions options)
    : options_(filled(options)), shortest_(options_.min_length) {
  const detail::TaskKind& kind = kind_of(options_.task);
  letters_ = kind.letters.substr(0, static_cast<size_t>(options_.symbols));
  letters_ += kind.signs;
  if (options_.split == Split::test) {
    shortest_ = std::max(shortest_, shortest_split_length(kind, options_.symbols));
    if (shortest_ > kind.most_length(options_.symbols)) {
      fail("TaskDataset: wanted more than ", options_.symbols, " symbols for testing ", kind.name,
           ": it has too few sequences for a test set of its own");
    }
    if (shortest_ > options_.max_length) {
      fail("TaskDataset: wanted a max_length of at least ", shortest_, " for testing with ",
           options_.symbols, " symbols, since all shorter sequences are for training; got ",
           options_.max_length);
    }
  }
}

Symbols TaskDataset::draw(int64_t index) const {
  if (index < 0 || index >= options_.size) {
    fail("TaskDataset: wanted an index in [0, ", options_.size, "); got ", index);
  }
  const detail::TaskKind& kind = kind_of(options_.task);
  Rng rng(mix(options_.seed, static_cast<uint64_t>(index)));
  const int64_t length = rng.integer(shortest_, options_.max_length + 1);
  const bool is_split = kind.inputs(length, options_.symbols) >= smallest_split;
  Symbols sequence;
  // Drawn again, with its length kept, until it is on the right side: ten times on average for a
  // test sequence.
  do {
    kind.draw(rng, length, options_.symbols, sequence);
  } while (is_split && side_of(sequence) != options_.split);
  return sequence;
}

int64_t TaskDataset::answer_length() const {
  return kind_of(options_.task).answer_length(options_.max_length) + 1;
}

int64_t TaskDataset::context() const {
  return kind_of(options_.task).input_length(options_.max_length) + answer_length();
}

std::vector<int64_t> TaskDataset::sequence(int64_t index) const {
  const Symbols drawn = draw(index);
  return {drawn.begin(), drawn.end()};
}

std::vector<int64_t> TaskDataset::solve(const std::vector<int64_t>& sequence) const {
  for (const int64_t token : sequence) {
    if (token >= 0 && token < separator()) continue;
    fail("TaskDataset: wanted symbols and signs, tokens in [0, ", separator(), "); got ", token);
  }
  if (sequence.empty()) fail("TaskDataset: wanted a sequence with symbols; got an empty one");
  const Symbols answer =
      kind_of(options_.task).solve({sequence.begin(), sequence.end()}, options_.symbols);
  return {answer.begin(), answer.end()};
}

NamedTensors TaskDataset::get(int64_t index) const {
  const Symbols input = draw(index);
  const Symbols answer = kind_of(options_.task).solve(input, options_.symbols);
  const int64_t length = std::ssize(input) + std::ssize(answer) + 1;
  Tensor tokens = zeros({length}, Dtype::i64), targets = zeros({length}, Dtype::i64);
  int64_t* token = std::copy(input.begin(), input.end(), tokens.mutable_data<int64_t>());
  int64_t* target = std::fill_n(targets.mutable_data<int64_t>(), std::ssize(input), ignored);
  *token++ = separator();
  std::copy(answer.begin(), answer.end(), token);
  target = std::copy(answer.begin(), answer.end(), target);
  *target = end();
  return {{"tokens", tokens}, {"targets", targets}};
}

std::vector<int64_t> TaskDataset::encode(std::string_view text) const {
  std::vector<int64_t> tokens;
  for (const char letter : text) {
    const size_t symbol = letters_.find(letter);
    if (symbol == std::string::npos) {
      fail("TaskDataset: wanted letters of \"", letters_, "\"; got \"", text, "\"");
    }
    tokens.push_back(static_cast<int64_t>(symbol));
  }
  return tokens;
}

std::string TaskDataset::decode(const std::vector<int64_t>& tokens) const {
  std::string text;
  for (const int64_t token : tokens) {
    if (token < 0 || token >= vocabulary_size()) {
      fail("TaskDataset: wanted tokens in [0, ", vocabulary_size(), "); got ", token);
    }
    text += token == separator() ? '|'
            : token == end()     ? '.'
                                 : letters_[static_cast<size_t>(token)];
  }
  return text;
}

std::vector<int64_t> TaskDataset::prompt(std::string_view text) const {
  std::vector<int64_t> tokens = encode(text);
  const int64_t longest = kind_of(options_.task).input_length(options_.max_length);
  if (tokens.empty() || std::ssize(tokens) > longest) {
    fail("TaskDataset: wanted 1 to ", longest, " letters; got ", tokens.size());
  }
  tokens.push_back(separator());
  return tokens;
}

std::string TaskDataset::answer(std::string_view text) const { return decode(solve(encode(text))); }

}  // namespace rapt::data
