#pragma once

#include "cli/options.h"

namespace rapt::cli {

struct VerifyFlags {
  TrainFlags train;  ///< of the run that would begin: what tells how it goes on has no say
  bool json = false;
};

/// `rapt verify`: builds what `rapt train` with these flags would train, and tries whether it does
/// what is believed of it (training/verify.h). The exit status: 1 when a promise is broken.
int verify_command(const VerifyFlags& flags);

}  // namespace rapt::cli
