#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rapt/data/checkpoint.h"

/// The last few checkpoints of a run, kept in a folder as step-000001000.rapt and so on.
namespace rapt::data {

struct NumberedCheckpoint {
  int64_t step;
  std::string path;
};

/// Saves a checkpoint as that of `step` and only then removes all but the last `keep`, so there is
/// always a whole one. Makes the folder if its parent exists. Checkpoints of later steps than this
/// one (of a run that was set back) are removed too. Returns the path. Throws unless step >= 0 and
/// keep >= 1, and as save_checkpoint does.
std::string save_numbered(const std::string& folder, int64_t step, const Checkpoint& checkpoint,
                          int64_t keep = 3);

/// The checkpoints in a folder, by step. Empty when there are none, or no such folder.
std::vector<NumberedCheckpoint> numbered_checkpoints(const std::string& folder);

/// The one of the highest step, if there is any.
std::optional<NumberedCheckpoint> latest_checkpoint(const std::string& folder);

/// Reads the one of the highest step. Throws when there is none, or it is damaged: then the message
/// names the newest one that is whole, if any is.
Checkpoint load_latest(const std::string& folder);

}  // namespace rapt::data
