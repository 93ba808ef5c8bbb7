#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rapt/data/dataset.h"

namespace rapt::data {

/// What is to be done with a sequence of symbols: hello -> hello, olleh, ehllo.
enum class Task : uint8_t { copy, reverse, sort };

/// "copy", "reverse" or "sort".
std::string_view name_of(Task task);
/// The task of that name; throws, listing the names, when there is none.
Task task_named(std::string_view name);

struct TaskOptions {
  Task task = Task::copy;
  int64_t min_length = 1;      ///< symbols in the shortest sequence
  int64_t max_length = 16;     ///< symbols in the longest
  int64_t symbols = 26;        ///< how many different ones: 2 ... 62
  uint64_t seed = 0;           ///< another seed, other examples
  Split split = Split::train;  ///< train and test share no sequence, whatever the seeds
  int64_t size = 1'000'000;    ///< examples; they are made when asked for, and take no memory
};

/// Examples of a toy sequence task for a decoder-only model, each a function of (seed, index).
///
/// A sequence s1 ... sn becomes one line of tokens, which the model learns to continue after the
/// separator:
///
///   tokens     s1    s2   ...  sn   SEP  a1  ...  an       i64 [2n + 1]
///   targets  -100  -100  ... -100    a1  a2  ...  END      i64 [2n + 1]
///
/// so the loss is over the answer and its end alone (-100 is cross_entropy's ignore_index). No
/// padding is needed inside; a batch is filled up behind the end. Symbols are the tokens
/// 0 ... symbols - 1, then come SEP and END. When every position that has a target is predicted
/// right, greedy generation gives exactly the answer: exact match needs one forward pass.
///
/// The length is drawn evenly from min_length ... max_length, then each symbol evenly.
///
/// Train and test never share a sequence. The sequence itself says, by a hash of its symbols, on
/// which side it belongs: about one in ten is for testing only. Lengths of which there are fewer
/// than 256 sequences (with 26 symbols: length 1) are for training only; holding out three letters
/// of 26 would ask for the answer to something never shown. A test set has the other lengths.
class TaskDataset : public Dataset {
 public:
  /// Throws when an option is out of range, or when the split leaves no sequence to test with.
  explicit TaskDataset(TaskOptions options = {});

  int64_t size() const override { return options_.size; }
  NamedTensors get(int64_t index) const override;
  const TaskOptions& options() const { return options_; }

  /// How many tokens there are: the symbols, SEP and END.
  int64_t vocabulary_size() const { return options_.symbols + 2; }
  /// The token between sequence and answer.
  int64_t separator() const { return options_.symbols; }
  /// The token after the answer.
  int64_t end() const { return options_.symbols + 1; }
  /// The length of the longest example, in tokens: what a model must be able to take in.
  int64_t context() const { return 2 * options_.max_length + 1; }

  /// The sequence of an example, as symbols.
  std::vector<int64_t> sequence(int64_t index) const;
  /// What the task makes of a sequence of symbols, without END.
  std::vector<int64_t> solve(std::vector<int64_t> sequence) const;

  /// Text -> tokens: one letter per symbol, a-z, then A-Z, then 0-9. Throws naming a letter that
  /// is none of the symbols.
  std::vector<int64_t> encode(std::string_view text) const;
  /// Tokens -> text; SEP reads '|' and END reads '.'. Throws naming a token that does not exist.
  std::string decode(const std::vector<int64_t>& tokens) const;
  /// What a model is given to make it answer: encode(text), SEP. Throws unless text has 1 ...
  /// max_length letters.
  std::vector<int64_t> prompt(std::string_view text) const;
  /// What it should answer, as text, without END.
  std::string answer(std::string_view text) const;

 private:
  PoolVector<int64_t> draw(int64_t index) const;

  TaskOptions options_;
  int64_t shortest_;  // min_length, or for testing the shortest length that is split
};

}  // namespace rapt::data
