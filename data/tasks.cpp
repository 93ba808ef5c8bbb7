#include "rapt/data/tasks.h"

#include <algorithm>

#include "rapt/autograd/create.h"
#include "rapt/autograd/error.h"
#include "rapt/autograd/random.h"
#include "rapt/data/detail/hash.h"

namespace rapt::data {
namespace {

using detail::mix;

constexpr std::string_view letters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
constexpr int64_t ignored = -100;  // cross_entropy's ignore_index

/// A length is split only if it has this many sequences, so that what is left to learn from still
/// shows every symbol at every place, and some are held out.
constexpr int64_t smallest_split = 256;
constexpr uint64_t one_in = 10;  // sequences that are held out

int64_t shortest_split_length(int64_t symbols) {
  int64_t length = 1;
  for (int64_t sequences = symbols; sequences < smallest_split; sequences *= symbols) ++length;
  return length;
}

/// Which side a sequence belongs to: a function of the sequence alone, so that no seed, task or
/// range of lengths can bring one of the test side into training.
Split side_of(const PoolVector<int64_t>& sequence, int64_t symbols) {
  const auto length = static_cast<int64_t>(sequence.size());
  if (length < shortest_split_length(symbols)) return Split::train;
  uint64_t hash = 0;
  for (const int64_t symbol : sequence) hash = mix(hash, static_cast<uint64_t>(symbol) + 1);
  return hash % one_in == 0 ? Split::test : Split::train;
}

/// What the task makes of [first, last), in place.
template <class Iterator>
void solve_in_place(Task task, Iterator first, Iterator last) {
  if (task == Task::reverse) std::reverse(first, last);
  if (task == Task::sort) std::sort(first, last);
}

}  // namespace

std::string_view name_of(Task task) {
  switch (task) {
    case Task::copy:
      return "copy";
    case Task::reverse:
      return "reverse";
    case Task::sort:
      return "sort";
  }
  fail("name_of: wanted a Task; got ", static_cast<int>(task));
}

Task task_named(std::string_view name) {
  for (const Task task : {Task::copy, Task::reverse, Task::sort}) {
    if (name_of(task) == name) return task;
  }
  fail("task: wanted copy, reverse or sort; got \"", name, "\"");
}

TaskDataset::TaskDataset(TaskOptions options) : options_(options), shortest_(options.min_length) {
  const int64_t most_symbols = static_cast<int64_t>(letters.size());
  if (options_.symbols < 2 || options_.symbols > most_symbols) {
    fail("TaskDataset: wanted 2 to ", most_symbols, " symbols; got ", options_.symbols);
  }
  if (options_.min_length < 1 || options_.max_length < options_.min_length) {
    fail("TaskDataset: wanted 1 <= min_length <= max_length; got ", options_.min_length, " and ",
         options_.max_length);
  }
  if (options_.size < 1) fail("TaskDataset: wanted a size of at least 1; got ", options_.size);
  name_of(options_.task);
  if (options_.split == Split::test) {
    shortest_ = std::max(shortest_, shortest_split_length(options_.symbols));
    if (shortest_ > options_.max_length) {
      fail("TaskDataset: wanted a max_length of at least ", shortest_, " for testing with ",
           options_.symbols, " symbols, since all shorter sequences are for training; got ",
           options_.max_length);
    }
  }
}

PoolVector<int64_t> TaskDataset::draw(int64_t index) const {
  if (index < 0 || index >= options_.size) {
    fail("TaskDataset: wanted an index in [0, ", options_.size, "); got ", index);
  }
  Rng rng(mix(options_.seed, static_cast<uint64_t>(index)));
  // Drawn again, with its length kept, until it is on the right side: ten times on average for a
  // test sequence.
  PoolVector<int64_t> sequence(
      static_cast<size_t>(rng.integer(shortest_, options_.max_length + 1)));
  do {
    for (int64_t& symbol : sequence) symbol = rng.integer(0, options_.symbols);
  } while (side_of(sequence, options_.symbols) != options_.split);
  return sequence;
}

std::vector<int64_t> TaskDataset::sequence(int64_t index) const {
  const PoolVector<int64_t> drawn = draw(index);
  return {drawn.begin(), drawn.end()};
}

std::vector<int64_t> TaskDataset::solve(std::vector<int64_t> sequence) const {
  solve_in_place(options_.task, sequence.begin(), sequence.end());
  return sequence;
}

NamedTensors TaskDataset::get(int64_t index) const {
  PoolVector<int64_t> symbols = draw(index);
  const auto length = static_cast<int64_t>(symbols.size());
  Tensor tokens = zeros({2 * length + 1}, Dtype::i64);
  Tensor targets = zeros({2 * length + 1}, Dtype::i64);
  int64_t* token = std::copy(symbols.begin(), symbols.end(), tokens.mutable_data<int64_t>());
  int64_t* target = std::fill_n(targets.mutable_data<int64_t>(), length, ignored);
  solve_in_place(options_.task, symbols.begin(), symbols.end());
  *token++ = separator();
  std::copy(symbols.begin(), symbols.end(), token);
  target = std::copy(symbols.begin(), symbols.end(), target);
  *target = end();
  return {{"tokens", tokens}, {"targets", targets}};
}

std::vector<int64_t> TaskDataset::encode(std::string_view text) const {
  std::vector<int64_t> tokens;
  for (const char letter : text) {
    const size_t symbol = letters.find(letter);
    if (symbol >= static_cast<size_t>(options_.symbols)) {
      fail("TaskDataset: wanted letters of \"",
           letters.substr(0, static_cast<size_t>(options_.symbols)), "\"; got \"", text, "\"");
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
    text += token == separator() ? '|' : token == end() ? '.' : letters[static_cast<size_t>(token)];
  }
  return text;
}

std::vector<int64_t> TaskDataset::prompt(std::string_view text) const {
  std::vector<int64_t> tokens = encode(text);
  const auto length = static_cast<int64_t>(tokens.size());
  if (length < 1 || length > options_.max_length) {
    fail("TaskDataset: wanted 1 to ", options_.max_length, " letters; got ", length);
  }
  tokens.push_back(separator());
  return tokens;
}

std::string TaskDataset::answer(std::string_view text) const { return decode(solve(encode(text))); }

}  // namespace rapt::data
