#pragma once

#include "cli/options.h"

namespace rapt::cli {

/// `rapt train`: trains, or goes on training. Returns the exit status: 0, or 130 when it was
/// stopped by Ctrl-C, having saved (by another signal: 128 + its number).
int train_command(const TrainFlags& flags);

}  // namespace rapt::cli
