#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "rapt/autograd/values.h"
#include "rapt/data/tasks.h"
#include "rapt/nn/models/options.h"

namespace rapt::cli {

/// What a run learns, and how: everything that its result depends on. Saved with each checkpoint.
struct RunOptions {
  std::string task = "reverse";          ///< copy, reverse, sort, or text
  std::string text;                      ///< the file's absolute path, when the task is text
  std::string tokenizer = "characters";  ///< of a text; or bytes, words, subwords, a path
  int64_t vocabulary_size = 4000;        ///< tokens of words (at most) or subwords
  int64_t max_length = 16;               ///< symbols in the longest sequence of a toy task
  int64_t layers = 2;
  int64_t width = 64;
  int64_t heads = 4;
  int64_t context = 0;               ///< tokens; 0: what the task needs
  std::string positions = "rotary";  ///< learned, sinusoidal or rotary
  double dropout = 0;
  int64_t batch = 64;
  int64_t steps = 1000;
  double lr = 5e-3;  ///< at the end of the warm-up
  int64_t warmup = 100;
  double weight_decay = 0.1;
  double init_stddev = 0.05;  ///< of the initial weights; small models start better above 0.02
  uint64_t seed = 1;

  bool is_text() const { return task == "text"; }
};

/// The defaults of a task: each has its own.
RunOptions defaults_for(const std::string& task);

/// The toy task's dataset on that side of the split.
data::TaskDataset task_dataset(const RunOptions& options, data::Split split, int64_t size);

/// The kind of positions of that name; throws, listing the names, when there is none.
nn::Positions positions_named(const std::string& name);
nn::AttentionPositions attention_positions_named(const std::string& name);

/// As saved values, and back.
Values to_values(const RunOptions& options);
RunOptions from_values(const Values& values);

/// Flags of one call of `rapt train`; those that were not given keep the defaults, or what the
/// resumed run was started with.
struct TrainFlags {
  std::optional<std::string> task, text, tokenizer, positions;
  std::optional<int64_t> vocabulary_size, max_length, layers, width, heads, context, batch, steps,
      warmup;
  std::optional<double> dropout, lr, weight_decay, init_stddev;
  std::optional<uint64_t> seed;
  std::optional<int> threads;
  std::optional<std::string> out;
  bool resume = false;
  int64_t save_every = 500;  ///< steps
  int64_t keep = 3;          ///< checkpoints
};

/// As --threads says, if it is given. Throws when it is out of range.
void set_threads(const TrainFlags& flags);

/// So that the run can go on from another folder.
std::string absolute_path(const std::string& path);

/// The options of a new run: the task's defaults, with the flags laid over them. Throws naming the
/// flag that is out of range.
RunOptions new_run(const TrainFlags& flags);

/// The options with which a resumed run goes on: its own, and of the flags --steps, --lr and
/// --warmup, so that a run can be trained on; --text may be where its text is now. Throws when
/// another flag asks for something else than the run was started with, or one is out of range.
RunOptions going_on(const TrainFlags& flags, const RunOptions& saved);

}  // namespace rapt::cli
