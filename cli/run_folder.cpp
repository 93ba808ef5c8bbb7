#include "cli/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
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
  folder.lock();
  require_unused(folder.path_);
  return folder;
}

RunFolder RunFolder::open(std::string path) {
  RunFolder folder;
  folder.path_ = std::move(path);
  folder.lock();
  return folder;
}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : path_(std::move(other.path_)),
      made_(std::exchange(other.made_, {})),
      lock_(std::exchange(other.lock_, -1)) {}

RunFolder::~RunFolder() {
  std::error_code ignored;
  for (auto made = made_.rbegin(); made != made_.rend(); ++made) {
    if (made == made_.rbegin()) {
      fs::remove_all(*made, ignored);
    } else {
      fs::remove(*made, ignored);  // another process may have put something there by now
    }
  }
  if (lock_ != -1) close(lock_);
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

void RunFolder::lock() {
  lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ == -1) fail("--out ", path_, ": could not open this folder: ", std::strerror(errno));
  // Where the file system knows no locks, there is none.
  if (flock(lock_, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK) {
    fail("--out ", path_, ": another rapt train is at work there");
  }
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
