#pragma once

// Private to rapt's own sources.

#include <string>

#include "rapt/autograd/error.h"
#include "rapt/autograd/values.h"

namespace rapt::training::detail {

/// A line for each value that was saved as another than it is here; empty if none was.
inline std::string differences(const Values& saved, const Values& here) {
  std::string out;
  const auto shown = [](const Values& from, const std::string& name) {
    return from.contains(name) ? from.text(name) : std::string("nothing");
  };
  const auto compare = [&](const std::string& name) {
    if (shown(saved, name) == shown(here, name)) return;
    out +=
        text("\n  ", name, ": ", shown(saved, name), " was saved; here it is ", shown(here, name));
  };
  for (const auto& [name, value] : saved) compare(name);
  for (const auto& [name, value] : here) {
    if (!saved.contains(name)) compare(name);
  }
  return out;
}

}  // namespace rapt::training::detail
