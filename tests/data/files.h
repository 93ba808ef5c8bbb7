#pragma once

// For the tests of data: a folder that vanishes again, files as bytes, and the text of an error.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "../support/tensors.h"
#include "rapt/autograd/error.h"

namespace rapt::data {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "rapt-test-XXXXXX").string();
    if (!mkdtemp(name.data())) fail("could not make a temporary folder");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path() const { return path_.string(); }
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }
  /// How many files and folders are in it.
  auto count() const {
    return std::distance(std::filesystem::directory_iterator(path_),
                         std::filesystem::directory_iterator());
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_bytes(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

using tests::error_of;

/// True when `text` has `part` in it.
inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace rapt::data

/// Expects an Error whose text has this part in it, and shows the text when it has not.
#define EXPECT_ERROR(part, statement)                                      \
  do {                                                                     \
    const std::string message = rapt::tests::error_of([&] { statement; }); \
    EXPECT_PRED2(rapt::data::has, message, part);                          \
  } while (false)
