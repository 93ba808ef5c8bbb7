#include "rapt/nn/fine_tuning/detail/patterns.h"

#include <algorithm>

#include <fnmatch.h>

#include "rapt/autograd/error.h"

namespace rapt::nn::detail {

std::vector<std::string> fitting(const char* function, const char* what,
                                 const std::vector<std::string>& patterns,
                                 const std::vector<std::string>& names) {
  const auto fits = [](const std::string& pattern, const std::string& name) {
    return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
  };
  for (const std::string& pattern : patterns) {
    if (std::ranges::any_of(names, [&](const auto& name) { return fits(pattern, name); })) continue;
    std::string all;
    for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
    fail(function, ": wanted the pattern of a ", what, "; got \"", pattern,
         "\", which fits none of: ", all);
  }
  std::vector<std::string> out;
  for (const std::string& name : names) {
    if (std::ranges::any_of(patterns, [&](const auto& pattern) { return fits(pattern, name); })) {
      out.push_back(name);
    }
  }
  return out;
}

}  // namespace rapt::nn::detail
