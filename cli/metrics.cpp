#include "cli/metrics.h"

#include <nlohmann/json.hpp>

#include "rapt/autograd/error.h"
#include "rapt/data/atomic_file.h"

namespace rapt::cli {
namespace {

/// The lines of the file up to that step.
std::string lines_up_to(const std::string& path, int64_t step) {
  std::ifstream file(path);
  std::string kept, line;
  while (std::getline(file, line)) {
    const auto object = nlohmann::json::parse(line, nullptr, false);
    if (!object.is_object() || !object.contains("step") ||
        !object["step"].is_number_integer() || object["step"].get<int64_t>() > step) {
      continue;
    }
    kept += line + '\n';
  }
  return kept;
}

}  // namespace

Metrics::Metrics(const std::string& folder, int64_t step) : path_(folder + "/metrics.jsonl") {
  const std::string kept = lines_up_to(path_, step);
  data::AtomicFile rewritten(path_);
  rewritten.write(kept.data(), kept.size());
  rewritten.commit();
  file_.open(path_, std::ios::app);
  if (!file_) fail(path_, ": cannot be opened for writing");
}

void Metrics::write(int64_t step, const std::vector<std::pair<std::string, double>>& values) {
  nlohmann::ordered_json object;
  object["step"] = step;
  for (const auto& [name, value] : values) object[name] = value;
  file_ << object.dump() << '\n';
}

void Metrics::flush() {
  file_.flush();
  if (!file_) fail(path_, ": cannot be written (is the disk full?)");
}

}  // namespace rapt::cli
