#include "cli/run_folder.h"

#include <utility>

#include "rapt/autograd/error.h"
#include "rapt/data/numbered.h"

namespace rapt::cli {
namespace fs = std::filesystem;

RunFolder RunFolder::make(const std::optional<std::string>& wanted, const std::string& name) {
  RunFolder folder;
  if (wanted) {
    folder.path_ = *wanted;
    folder.create();
  } else {
    folder.path_ = "runs/" + name;
    for (int i = 2; !folder.create(); ++i) folder.path_ = text("runs/", name, "-", i);
  }
  require_unused(folder.path_);
  return folder;
}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : path_(std::move(other.path_)), made_(std::exchange(other.made_, {})) {}

RunFolder::~RunFolder() {
  std::error_code ignored;
  for (auto made = made_.rbegin(); made != made_.rend(); ++made) {
    if (made == made_.rbegin()) {
      fs::remove_all(*made, ignored);
    } else {
      fs::remove(*made, ignored);  // another process may have put something there by now
    }
  }
}

/// False when the folder was there already.
bool RunFolder::create() {
  fs::path path = fs::absolute(path_).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // it ended with a slash
  std::error_code error;
  fs::path part;
  for (const fs::path& name : path) {
    part /= name;
    if (fs::is_directory(part, error)) continue;
    if (fs::create_directory(part, error)) made_.push_back(part);
    if (error) fail("--out ", path_, ": could not make this folder: ", error.message());
  }
  if (!made_.empty() && made_.back() == path) return true;
  made_.clear();
  return false;
}

bool holds_run(const std::string& folder) {
  std::error_code ignored;
  if (fs::exists(folder, ignored) && !fs::is_directory(folder, ignored)) {
    fail(folder, ": wanted the folder of a run; got a file");
  }
  return data::latest_checkpoint(folder).has_value();
}

void require_unused(const std::string& folder) {
  if (holds_run(folder)) {
    fail("--out ", folder, ": holds a run already; --resume goes on with it");
  }
  for (const char* name : {"metrics.jsonl", "model.safetensors"}) {
    std::error_code ignored;
    if (fs::exists(fs::path(folder) / name, ignored)) {
      fail("--out ", folder, ": holds the ", name, " of an earlier run");
    }
  }
}

}  // namespace rapt::cli
