#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace rapt::cli {

/// metrics.jsonl of a run: one JSON object a line, each with its "step".
class Metrics {
 public:
  using Numbers = std::vector<std::pair<std::string, double>>;

  /// Opens the file for what comes after `step` steps. Lines of later steps, which a run wrote
  /// beyond the checkpoint that is now resumed, are dropped, and so is a line cut off half-way.
  Metrics(const std::string& folder, int64_t step);

  /// Numbers by name, after the step. NaN and inf are written as null: JSON has no such numbers.
  void write(int64_t step, const Numbers& numbers);
  /// Hands what was written to the system; throws when it could not be written.
  void flush();

 private:
  std::string path_;
  std::ofstream file_;
};

}  // namespace rapt::cli
