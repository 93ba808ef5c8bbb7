#include "cli/metrics.h"

#include <nlohmann/json.hpp>

#include "rapt/autograd/error.h"
#include "rapt/data/atomic_file.h"

namespace rapt::cli {
namespace {

/// True for a whole line of a step up to that one.
bool belongs(const std::string& line, int64_t step) {
  const auto object = nlohmann::json::parse(line, nullptr, false);
  if (!object.is_object()) return false;
  const auto found = object.find("step");
  return found != object.end() && found->is_number_integer() && found->get<int64_t>() <= step;
}

}  // namespace

Metrics::Metrics(const std::string& folder, int64_t step) : path_(folder + "/metrics.jsonl") {
  std::ifstream before(path_);
  data::AtomicFile kept(path_);
  for (std::string line; std::getline(before, line);) {
    if (!belongs(line, step)) continue;
    line += '\n';
    kept.write(line.data(), line.size());
  }
  kept.commit();
  file_.open(path_, std::ios::app);
  if (!file_) fail(path_, ": could not be opened for writing");
}

void Metrics::write(int64_t step, const Numbers& numbers) {
  nlohmann::ordered_json object;
  object["step"] = step;
  for (const auto& [name, value] : numbers) object[name] = value;
  file_ << object.dump() << '\n';
}

void Metrics::flush() {
  file_.flush();
  if (!file_) fail(path_, ": could not be written; is the disk full?");
}

}  // namespace rapt::cli
