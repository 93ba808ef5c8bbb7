#pragma once

// Private to rapt's own sources: what each toy task is made of.

#include <cstdint>
#include <string>
#include <string_view>

#include "rapt/autograd/named_tensors.h"
#include "rapt/autograd/random.h"
#include "rapt/data/tasks.h"

namespace rapt::data::detail {

using Symbols = PoolVector<int64_t>;

/// A toy task. A token is the place of its letter: the symbols first, then those of `signs`.
struct TaskKind {
  Task task;
  std::string_view name;
  std::string_view letters;        // for its symbols
  std::string_view signs;          // beside them
  int64_t least_symbols, symbols;  // at most, all of the letters; by default
  int64_t least_length, longest;   // at least; by default, at most
  int64_t (*most_length)(int64_t symbols);
  int64_t (*input_length)(int64_t length);
  int64_t (*answer_length)(int64_t length);           // at most
  double (*inputs)(int64_t length, int64_t symbols);  // how many there are, at least
  void (*draw)(Rng& rng, int64_t length, int64_t symbols, Symbols& input);
  /// Throws when the input is none of the task's.
  Symbols (*solve)(const Symbols& input, int64_t symbols);
};

const TaskKind& kind_of(Task task);
/// Null when there is none.
const TaskKind* kind_named(std::string_view name);
std::string kind_names();

}  // namespace rapt::data::detail
