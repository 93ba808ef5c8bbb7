#pragma once

// A folder in memory where a fuzzer's input becomes a file.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace rapt::fuzz {

/// Made once, and left to the system: its files are written over again and again.
inline const std::string& scratch() {
  static const std::string folder = [] {
    std::string name = "/dev/shm/rapt-fuzz-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    return name + "/";
  }();
  return folder;
}

/// Writes a file of that name; its path.
inline std::string written(const char* name, std::string_view bytes) {
  std::string path = scratch() + name;
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr || std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size() ||
      std::fclose(file) != 0) {
    std::abort();
  }
  return path;
}

inline std::string_view view(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace rapt::fuzz
