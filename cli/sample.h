#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/run.h"

namespace rapt::cli {

struct SampleFlags {
  std::string folder;
  std::vector<std::string> inputs;    ///< sequences of a toy task, or beginnings of a text
  int64_t length = 400;               ///< characters to add to a text
  std::optional<double> temperature;  ///< 0: greedy, which is what toy tasks take by default
  int64_t top_k = 0;                  ///< 0: all characters
  uint64_t seed = 0;
};

/// What the model makes of each input (of some unseen ones, when there is none), one on a line.
std::string samples(Run& run, const SampleFlags& flags);

/// `rapt sample`: prints samples from a run's newest checkpoint.
void sample_command(const SampleFlags& flags);

}  // namespace rapt::cli
