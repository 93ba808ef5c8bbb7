#pragma once

#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "rapt/data/dataset.h"

namespace rapt::data {

/// What is to be done with a sequence of symbols. n is its length, between min_length and
/// max_length; what is written here is as decode() shows it.
enum class Task : uint8_t {
  copy,            ///< hello -> hello
  reverse,         ///< hello -> olleh
  sort,            ///< hello -> ehllo
  addition,        ///< 025+917 -> 2490: two numbers of n digits; the sum, its lowest digit first
  multiplication,  ///< 12*34 -> 8040: the same for the product (408)
  modular_arithmetic,  ///< 4+3*2 -> 4: n numbers, from left to right, modulo `symbols`
  parity,              ///< 01101 -> 1: whether the ones of n bits are odd in number
  selective_copy,      ///< a__bc_ -> abc: n letters among n blanks (arXiv:2312.00752)
  associative_recall,  ///< a3c1f0cfa -> 103: n keys with their values, and the keys once more
  induction,           ///< fdhacbd -> hacb: goes on as it did after the last letter before
  dyck,                ///< ([][ -> ]): closes what n brackets of two kinds leave open
  majority,            ///< abbcb -> b: the letter that comes most often
  histogram            ///< abcaa -> 31133: how often each letter comes (arXiv:2106.06981)
};

/// "copy", "modular_arithmetic", ...
std::string_view name_of(Task task);
/// All of them: "copy, reverse, ...".
std::string task_names();
bool is_task(std::string_view name);
/// The task of that name; throws, listing the names, when there is none.
Task task_named(std::string_view name);

struct TaskOptions {
  Task task = Task::copy;
  int64_t min_length = 0;      ///< of the shortest sequence; 0: 1, or the least that the task has
  int64_t max_length = 0;      ///< of the longest; 0: what the task has by default, such as 16
  int64_t symbols = 0;         ///< how many different ones; 0: what the task has by default
  uint64_t seed = 0;           ///< another seed, other examples
  Split split = Split::train;  ///< train and test share no sequence, whatever the seeds
  int64_t size = 1'000'000;    ///< examples; they are made when asked for, and take no memory
};

/// Examples of a toy sequence task for a decoder-only model, each a function of (seed, index).
///
/// A sequence s1 ... sm becomes one line of tokens, which the model learns to continue after the
/// separator:
///
///   tokens     s1    s2   ...  sm   SEP  a1  ...  ak       i64 [m + k + 1]
///   targets  -100  -100  ... -100    a1  a2  ...  END      i64 [m + k + 1]
///
/// so the loss is over the answer and its end alone (-100 is cross_entropy's ignore_index). No
/// padding is needed inside; a batch is filled up behind the end. Symbols are the tokens from 0 on,
/// then come the task's signs (+, blanks, values, counts), SEP and END. When every position that
/// has a target is predicted right, greedy generation gives exactly the answer: exact match needs
/// one forward pass.
///
/// The length is drawn evenly from min_length ... max_length, then each symbol evenly, as far as
/// the task lets it. Lengths of training and of testing may differ, of the same tokens: a model
/// that was trained on up to 16 can be tested on 17 to 32.
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
  /// With the task's own numbers in the place of 0.
  const TaskOptions& options() const { return options_; }

  /// How many tokens there are: the symbols and signs, SEP and END.
  int64_t vocabulary_size() const { return end() + 1; }
  /// The token between sequence and answer.
  int64_t separator() const { return std::ssize(letters_); }
  /// The token after the answer.
  int64_t end() const { return separator() + 1; }
  /// Tokens of the longest answer, END included.
  int64_t answer_length() const;
  /// The length of the longest example, in tokens: what a model must be able to take in.
  int64_t context() const;

  /// The sequence of an example, as tokens.
  std::vector<int64_t> sequence(int64_t index) const;
  /// What the task makes of a sequence of tokens, without END. Throws when it is none of the
  /// task's.
  std::vector<int64_t> solve(const std::vector<int64_t>& sequence) const;

  /// Text -> tokens: one letter per symbol, a-z, then A-Z, then 0-9, or digits, bits or brackets,
  /// as the task has it. Throws naming what is none of them.
  std::vector<int64_t> encode(std::string_view text) const;
  /// Tokens -> text; SEP reads '|' and END reads '.'. Throws naming a token that does not exist.
  std::string decode(const std::vector<int64_t>& tokens) const;
  /// What a model is given to make it answer: encode(text), SEP. Throws unless text has a letter
  /// and is not longer than a sequence of max_length.
  std::vector<int64_t> prompt(std::string_view text) const;
  /// What it should answer, as text, without END.
  std::string answer(std::string_view text) const;

 private:
  PoolVector<int64_t> draw(int64_t index) const;

  TaskOptions options_;
  std::string letters_;  // by token, up to SEP
  int64_t shortest_;     // min_length, or for testing the shortest length that is split
};

}  // namespace rapt::data
