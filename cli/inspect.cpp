#include "cli/inspect.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "rapt/autograd/error.h"
#include "rapt/autograd/ops.h"
#include "rapt/data/checkpoint.h"
#include "rapt/data/inspect.h"
#include "rapt/data/numbered.h"
#include "rapt/data/safetensors.h"

namespace rapt::cli {
namespace {

std::string file_of(const std::string& path) {
  if (!std::filesystem::is_directory(path)) return path;
  const auto latest = data::latest_checkpoint(path);
  if (!latest) fail(path, ": wanted a file, or a folder with checkpoints; found none there");
  return latest->path;
}

/// Reads all elements, which throws when one is damaged. The names of the tensors that have one
/// that is not finite.
std::vector<std::string> check(const std::string& path, const data::FileInfo& info) {
  const NamedTensors tensors = info.format == "safetensors" ? data::load_safetensors(path)
                                                            : data::load_checkpoint(path).tensors;
  std::vector<std::string> out;
  for (const auto& [name, tensor] : tensors) {
    if (is_float(tensor.dtype()) && all(isfinite(tensor)).item() == 0) out.push_back(name);
  }
  return out;
}

/// not_finite: if the elements were read.
void print_json(const data::FileInfo& info,
                const std::optional<std::vector<std::string>>& not_finite) {
  nlohmann::ordered_json object = {{"format", info.format}, {"bytes", info.bytes}};
  if (not_finite) object["not_finite"] = *not_finite;
  object["values"] = nlohmann::ordered_json::object();
  for (const auto& [name, value] : info.values) object["values"][name] = value;
  object["tensors"] = nlohmann::ordered_json::array();
  for (const data::TensorInfo& t : info.tensors) {
    object["tensors"].push_back({{"name", t.name},
                                 {"dtype", t.dtype},
                                 {"shape", std::vector<int64_t>(t.shape.begin(), t.shape.end())},
                                 {"bytes", t.bytes}});
  }
  std::printf("%s\n", object.dump(2).c_str());
}

void print_table(const std::string& path, const data::FileInfo& info) {
  std::printf("%s: %s, %lld bytes\n", path.c_str(), info.format.c_str(),
              static_cast<long long>(info.bytes));
  constexpr size_t longest_value = 60;
  for (const auto& [name, value] : info.values) {
    // A vocabulary holds line breaks, and may be long.
    const std::string shown =
        nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    std::printf("  %s = %s\n", name.c_str(),
                shown.size() > longest_value ? (std::to_string(value.size()) + " bytes").c_str()
                                             : shown.c_str());
  }
  int name_width = 0, shape_width = 0;
  int64_t elements = 0;
  for (const data::TensorInfo& t : info.tensors) {
    name_width = std::max(name_width, static_cast<int>(t.name.size()));
    shape_width = std::max(shape_width, static_cast<int>(t.shape.str().size()));
    elements += t.shape.numel();
  }
  for (const data::TensorInfo& t : info.tensors) {
    std::printf("  %-*s  %-4s  %-*s  %12lld bytes\n", name_width, t.name.c_str(), t.dtype.c_str(),
                shape_width, t.shape.str().c_str(), static_cast<long long>(t.bytes));
  }
  std::printf("%zu tensors, %lld elements\n", info.tensors.size(),
              static_cast<long long>(elements));
}

void print_checked(const std::vector<std::string>& not_finite) {
  std::printf("all elements are whole");
  for (const std::string& name : not_finite) {
    std::printf("%s%s", &name == not_finite.data() ? "; not finite: " : ", ", name.c_str());
  }
  std::printf("\n");
}

}  // namespace

int inspect_command(const InspectFlags& flags) {
  const std::string path = file_of(flags.file);
  const data::FileInfo info = data::inspect(path);
  const auto checked = flags.check ? std::optional(check(path, info)) : std::nullopt;
  if (flags.json) {
    print_json(info, checked);
  } else {
    print_table(path, info);
    if (checked) print_checked(*checked);
  }
  return checked && !checked->empty() ? 1 : 0;
}

}  // namespace rapt::cli
