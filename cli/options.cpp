#include "cli/options.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string_view>
#include <type_traits>
#include <utility>

#include "rapt/autograd/error.h"
#include "rapt/autograd/threads.h"

namespace rapt::cli {
namespace {

/// Calls f(flag's name, flag, option) for every setting that a flag can change: the one list of
/// them.
template <class Flags, class Options, class F>
void for_each_setting(Flags& flags, Options& options, F f) {
  f("task", flags.task, options.task);
  f("text", flags.text, options.text);
  f("tokenizer", flags.tokenizer, options.tokenizer);
  f("vocabulary-size", flags.vocabulary_size, options.vocabulary_size);
  f("max-length", flags.max_length, options.max_length);
  f("layers", flags.layers, options.layers);
  f("width", flags.width, options.width);
  f("heads", flags.heads, options.heads);
  f("context", flags.context, options.context);
  f("positions", flags.positions, options.positions);
  f("dropout", flags.dropout, options.dropout);
  f("batch", flags.batch, options.batch);
  f("steps", flags.steps, options.steps);
  f("lr", flags.lr, options.lr);
  f("warmup", flags.warmup, options.warmup);
  f("weight-decay", flags.weight_decay, options.weight_decay);
  f("init-stddev", flags.init_stddev, options.init_stddev);
  f("seed", flags.seed, options.seed);
}

void require_at_least(const char* flag, int64_t value, int64_t least) {
  if (value < least) fail("--", flag, ": wanted at least ", least, "; got ", value);
}

void require_rate(const char* flag, double value) {
  if (!(value >= 0 && std::isfinite(value))) {
    fail("--", flag, ": wanted a number of at least 0; got ", value);
  }
}

/// Else --tokenizer names where one is kept.
bool is_kind_of_tokenizer(std::string_view name) {
  return name == "characters" || name == "bytes" || name == "words" || name == "subwords";
}

/// The task, and what its datasets need to be made.
void check_task(const RunOptions& o) {
  if (o.is_text()) return;
  if (!data::is_task(o.task)) {
    fail("--task: wanted one of ", data::task_names(), "; got ", o.task);
  }
  constexpr int64_t least = 2, most = 1'000'000;  // all shorter sequences are for training
  if (o.max_length < least || o.max_length > most) {
    fail("--max-length: wanted ", least, " to ", most, "; got ", o.max_length);
  }
}

void check(const RunOptions& o) {
  check_task(o);
  require_at_least("vocabulary-size", o.vocabulary_size, 2);
  positions_named(o.positions);
  require_at_least("layers", o.layers, 1);
  require_at_least("width", o.width, 1);
  require_at_least("heads", o.heads, 1);
  require_at_least("context", o.context, 1);
  require_at_least("batch", o.batch, 1);
  require_at_least("steps", o.steps, 1);
  require_at_least("warmup", o.warmup, 0);
  require_rate("lr", o.lr);
  require_rate("weight-decay", o.weight_decay);
  require_rate("init-stddev", o.init_stddev);
  if (!(o.dropout >= 0 && o.dropout < 1)) {
    fail("--dropout: wanted a probability in [0, 1); got ", o.dropout);
  }
  if (o.width % o.heads != 0) {
    fail("--heads: wanted a divisor of --width ", o.width, "; got ", o.heads);
  }
  if (o.positions == "rotary" && o.width / o.heads % 2 != 0) {
    fail("--heads: wanted an even --width / --heads for rotary positions; got ", o.width, " / ",
         o.heads);
  }
  if (o.warmup >= o.steps) {
    fail("--warmup: wanted fewer than the ", o.steps, " --steps; got ", o.warmup);
  }
}

}  // namespace

void set_threads(const TrainFlags& flags) {
  constexpr int most = 256;
  if (!flags.threads) return;
  if (*flags.threads < 1 || *flags.threads > most) {
    fail("--threads: wanted 1 to ", most, "; got ", *flags.threads);
  }
  set_num_threads(*flags.threads);
}

std::string absolute_path(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

RunOptions defaults_for(const std::string& task) {
  RunOptions o;
  o.task = task;
  if (data::is_task(task)) {
    o.max_length = data::TaskDataset({.task = data::task_named(task)}).options().max_length;
  }
  if (task == "text") {
    o.layers = 4;
    o.width = 128;
    o.context = 64;
    o.batch = 16;
    o.steps = 1000;
    o.lr = 2e-3;
    o.init_stddev = 0.02;
    o.dropout = 0.2;  // a short text is soon known by heart
  } else if (task == "reverse") {
    o.steps = 1100;
    o.lr = 7e-3;
  } else if (task == "sort") {
    // Counting letters takes longer to learn than moving them.
    o.steps = 2200;
    o.init_stddev = 0.1;
  }
  return o;
}

nn::Positions positions_named(const std::string& name) {
  if (name == "learned") return nn::Positions::learned;
  if (name == "sinusoidal") return nn::Positions::sinusoidal;
  if (name == "rotary") return nn::Positions::none;
  fail("--positions: wanted learned, sinusoidal or rotary; got ", name);
}

nn::AttentionPositions attention_positions_named(const std::string& name) {
  return name == "rotary" ? nn::AttentionPositions::rotary() : nn::AttentionPositions();
}

data::TaskDataset task_dataset(const RunOptions& options, data::Split split, int64_t size) {
  return data::TaskDataset({.task = data::task_named(options.task),
                            .max_length = options.max_length,
                            .seed = options.seed,
                            .split = split,
                            .size = size});
}

Values to_values(const RunOptions& options) {
  Values values;
  const TrainFlags none;
  for_each_setting(none, options, [&](const char* name, const auto&, const auto& option) {
    values.set(name, option);
  });
  return values;
}

RunOptions from_values(const Values& values) {
  RunOptions options;
  TrainFlags none;
  for_each_setting(none, options, [&]<class T>(const std::string& name, const auto&, T& option) {
    const bool is_newer =
        name == "tokenizer" || name == "vocabulary-size";  // than some checkpoints
    if (is_newer && !values.contains(name)) return;
    if constexpr (std::is_same_v<T, std::string>) {
      option = values.text(name);
    } else if constexpr (std::is_same_v<T, double>) {
      option = values.number(name);
    } else {
      option = static_cast<T>(values.integer(name));
    }
  });
  check(options);
  return options;
}

RunOptions new_run(const TrainFlags& flags) {
  if (flags.text && flags.task && *flags.task != "text") {
    fail("--text: wanted no --task beside it; got --task ", *flags.task);
  }
  if (flags.task == "text" && !flags.text) fail("--task text: wanted --text FILE as well");
  if (flags.text && flags.max_length) {
    fail("--max-length: it belongs to the toy tasks, and --text has none");
  }
  if (flags.tokenizer && !flags.text) fail("--tokenizer: wanted --text FILE as well");
  const bool is_sized = flags.tokenizer == "words" || flags.tokenizer == "subwords";
  if (flags.vocabulary_size && !is_sized) {
    fail("--vocabulary-size: wanted --tokenizer words or subwords as well");
  }
  RunOptions options = defaults_for(flags.text ? "text" : flags.task.value_or("reverse"));
  const std::string task = options.task;
  for_each_setting(flags, options, [](const char*, const auto& flag, auto& option) {
    if (flag) option = *flag;
  });
  options.task = task;
  if (flags.text) options.text = absolute_path(*flags.text);
  if (flags.tokenizer && !is_kind_of_tokenizer(*flags.tokenizer)) {
    options.tokenizer = absolute_path(*flags.tokenizer);
  }
  // A shorter run keeps the proportions of its schedule.
  if (!flags.warmup) options.warmup = std::min(options.warmup, options.steps / 2);
  if (!options.is_text()) {
    check_task(options);
    const int64_t needed = task_dataset(options, data::Split::train, 1).context();
    if (!flags.context) options.context = needed;
    if (options.context < needed) {
      fail("--context: wanted at least ", needed, " tokens for sequences of up to ",
           options.max_length, " symbols; got ", options.context);
    }
  }
  check(options);
  return options;
}

RunOptions going_on(const TrainFlags& given, const RunOptions& saved) {
  TrainFlags flags = given;
  flags.text.reset();  // known by its hash
  if (flags.tokenizer && !is_kind_of_tokenizer(*flags.tokenizer)) {
    flags.tokenizer = absolute_path(*flags.tokenizer);
  }
  if (given.text && !saved.is_text()) fail("--text: the run is one of --task ", saved.task);
  RunOptions options = saved;
  if (flags.steps) options.steps = *std::exchange(flags.steps, std::nullopt);
  if (flags.warmup) options.warmup = *std::exchange(flags.warmup, std::nullopt);
  if (flags.lr) options.lr = *std::exchange(flags.lr, std::nullopt);
  for_each_setting(flags, saved, [](const char* name, const auto& flag, const auto& option) {
    if (flag && *flag != option) {
      fail("--", name, ": the run was started with ", option,
           ", and resuming goes on with it; got ", *flag);
    }
  });
  check(options);
  return options;
}

}  // namespace rapt::cli
