#include "rapt/data/detail/configuration.h"

#include "rapt/autograd/error.h"

namespace rapt::data::detail {
namespace {

constexpr std::string_view prefix = "rapt.configuration.";

bool is_of_configuration(std::string_view name) { return name.starts_with(prefix); }

}  // namespace

Values joined(const char* function, const Values& values, const Values& configuration) {
  for (const auto& [name, value] : values) {
    if (is_of_configuration(name)) {
      fail(function, ": wanted values whose names do not begin with ", prefix, "; got \"", name,
           "\"");
    }
  }
  Values all = values;
  all.set_all(prefix, configuration);
  return all;
}

Parted parted(const Values& in_file) {
  Parted out;
  for (const auto& [name, value] : in_file) {
    if (!is_of_configuration(name)) out.values.set(name, value);
  }
  out.configuration = in_file.with_prefix(prefix);
  return out;
}

}  // namespace rapt::data::detail
