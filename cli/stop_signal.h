#pragma once

namespace rapt::cli {

/// While one lives, the first Ctrl-C (SIGINT) or SIGTERM is noted and nothing else; a second one
/// ends the program as usual.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  bool received() const;
};

}  // namespace rapt::cli
