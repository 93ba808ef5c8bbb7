#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace rapt::cli {

/// Seconds since some moment, of a clock that never jumps.
double seconds_now();

/// "4 s", "3 min 20 s", "1 h 5 min".
std::string duration_text(double seconds);

/// What is told of a step.
struct StepReport {
  int64_t step = 0;     ///< steps done
  int64_t steps = 0;    ///< of so many
  double loss = 0;      ///< of that step's batch
  double accuracy = 0;  ///< share of its tokens predicted right
  double tokens_per_second = 0;
  double seconds_left = 0;
};

/// The report as one line of at most `columns` characters; where there is too little room, the less
/// important parts are left out.
std::string line_of(const StepReport& report, int columns);

/// Progress on standard output: on a terminal one line that is written over, at most ten times a
/// second; elsewhere a line of its own every twentieth part of the run.
class Progress {
 public:
  explicit Progress(int64_t steps);
  ~Progress() { end_line(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// True when it is time to say something about this step.
  bool due(int64_t step) const;
  void show(const StepReport& report);
  /// A line that stays.
  void say(const std::string& line);

 private:
  void end_line();

  const int64_t steps_;
  const bool live_;
  double last_shown_ = -1;
  bool line_open_ = false;
};

}  // namespace rapt::cli
