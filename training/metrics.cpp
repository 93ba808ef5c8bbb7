#include "rapt/training/metrics.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "rapt/autograd/error.h"
#include "rapt/data/atomic_file.h"

namespace rapt::training {
namespace {

namespace fs = std::filesystem;

/// The step of a whole line.
std::optional<int64_t> step_of(const std::string& line) {
  const auto object = nlohmann::json::parse(line, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find("step");
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<int64_t>();
}

/// The lines of the first `step` steps.
std::string lines_up_to(int64_t step, const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  if (status.type() == fs::file_type::not_found) return {};
  if (status.type() != fs::file_type::regular)
    fail(path, ": wanted a regular file for the metrics");
  std::ifstream file(path);
  if (!file) fail(path, ": could not be read");
  std::string kept;
  int64_t number = 0, damaged = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const std::optional<int64_t> of = step_of(line);
    if (!of || *of > step) {
      if (damaged == 0) damaged = number;
      continue;
    }
    if (damaged != 0) {
      fail(path, ": line ", damaged,
           " is damaged or of a later step, and those behind it are of this "
           "run: mend it, or move the file away");
    }
    kept += line + '\n';
  }
  if (file.bad()) fail(path, ": could not be read");
  return kept;
}

}  // namespace

Metrics::Metrics(const std::string& folder, int64_t step) : path_(folder + "/metrics.jsonl") {
  const std::string kept = lines_up_to(step, path_);
  data::AtomicFile file(path_);
  file.write(kept.data(), kept.size());
  file.commit();
  file_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
  if (file_ == -1) fail(path_, ": could not be opened for writing: ", std::strerror(errno));
}

Metrics::~Metrics() {
  try {
    flush();
  } catch (const Error&) {  // who has to know calls flush()
  }
  close(file_);
}

void Metrics::write(int64_t step, const Numbers& numbers) {
  nlohmann::ordered_json object;
  object["step"] = step;
  for (const auto& [name, value] : numbers) {
    if (object.contains(name))
      fail("Metrics: wanted each name once, and none \"step\"; got ", name);
    object[name] = value;
  }
  waiting_ += object.dump() + '\n';
}

void Metrics::flush() {
  while (!waiting_.empty()) {
    const ssize_t written = ::write(file_, waiting_.data(), waiting_.size());
    if (written == -1 && errno == EINTR) continue;
    if (written == -1) fail(path_, ": could not be written: ", std::strerror(errno));
    waiting_.erase(0, static_cast<size_t>(written));
  }
}

void Metrics::sync() {
  flush();
  if (fsync(file_) == -1) fail(path_, ": could not be synced: ", std::strerror(errno));
}

}  // namespace rapt::training
