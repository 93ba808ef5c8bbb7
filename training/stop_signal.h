#pragma once

#include <memory>

namespace rapt::training {

/// While one lives, what would end the program is noted instead, so that the work can be saved:
/// Ctrl-C (SIGINT), SIGTERM, a terminal that was closed (SIGHUP, unless it was ignored before, as
/// nohup does), and a pipe that nobody reads any more (SIGPIPE). A second Ctrl-C, SIGTERM or SIGHUP
/// ends the program as usual. Within another one, it knows what came to that.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// The first signal that came; 0 when none did.
  int received() const;

 private:
  struct Handlers;  // not here: <csignal> brings macros, such as sa_handler
  std::shared_ptr<Handlers> before_;
};

}  // namespace rapt::training
