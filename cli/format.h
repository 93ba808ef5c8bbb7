#pragma once

#include <cstdio>
#include <string>

namespace rapt::cli {

/// printf's result as a string, cut off after 255 characters.
template <class... Parts>
std::string formatted(const char* format, Parts... parts) {
  char out[256];
  std::snprintf(out, sizeof out, format, parts...);
  return out;
}

}  // namespace rapt::cli
