#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rapt::cli {

/// The folder that a run is saved in.
class RunFolder {
 public:
  /// A folder for a new run, made if need be: `wanted`, or else the first of runs/NAME, runs/NAME-2
  /// and so on that is not there yet. Until keep() is called, the destructor removes what was made.
  static RunFolder make(const std::optional<std::string>& wanted, const std::string& name);
  /// That of a run that goes on: nothing is made or removed.
  explicit RunFolder(std::string path) : path_(std::move(path)) {}

  RunFolder(RunFolder&& other) noexcept;
  RunFolder& operator=(RunFolder&&) = delete;
  ~RunFolder();

  const std::string& path() const { return path_; }
  void keep() { made_.clear(); }

 private:
  RunFolder() = default;
  bool create();

  std::string path_;
  std::vector<std::filesystem::path> made_;  // the folders to remove again, each within the last
};

/// True when the folder holds the checkpoints of a run. Throws when it is a file.
bool holds_run(const std::string& folder);

/// Throws when a new run in that folder would write over what an earlier one left there.
void require_unused(const std::string& folder);

}  // namespace rapt::cli
