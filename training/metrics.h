#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rapt::training {

/// metrics.jsonl of a run: one JSON object a line, each with its "step".
class Metrics {
 public:
  using Numbers = std::vector<std::pair<std::string, double>>;

  /// Opens the file for what comes after `step` steps. Lines of later steps, which a run wrote
  /// beyond the checkpoint that is now resumed, are dropped with all behind them, and so is a last
  /// line that was cut off.
  ///
  /// Throws, and changes nothing, when it is no regular file, cannot be read, or a line is damaged
  /// that has others of the run behind it.
  Metrics(const std::string& folder, int64_t step);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// Numbers by name, after the step; throws when a name comes twice. NaN and inf are written as
  /// null: JSON has no such numbers.
  void write(int64_t step, const Numbers& numbers);
  /// Hands what was written to the system.
  void flush();
  /// Has it written to the disk: before a checkpoint that counts on it.
  void sync();

 private:
  std::string path_;
  int file_ = -1;
  std::string waiting_;  // not yet handed to the system
};

}  // namespace rapt::training
