#pragma once

// Private to rapt's own sources: a file that is read.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "rapt/autograd/error.h"
#include "rapt/autograd/function_ref.h"

namespace rapt::data::detail {

/// A regular file open for reading. Every failure is an Error that begins with `op` and names it.
class InputFile {
 public:
  InputFile(const char* op, std::string path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// Throws an Error about this file: "op: path: parts".
  template <class... Parts>
  [[noreturn]] void reject(const Parts&... parts) const {
    fail(op_, ": ", path_, ": ", parts...);
  }
  /// Bytes, when it was opened.
  int64_t size() const { return size_; }
  /// Fills `out` with the `count` bytes at `offset`. Throws when they are not all there.
  void read(int64_t offset, int64_t count, void* out) const;
  /// Calls f with the whole file, a piece at a time.
  void read_pieces(FunctionRef<void(std::string_view)> f) const;
  /// The whole file.
  std::string read_all() const;

 private:
  const char* op_;
  std::string path_;
  int file_ = -1;
  int64_t size_ = 0;
};

}  // namespace rapt::data::detail
