#include "rapt/data/detail/input_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rapt::data::detail {

InputFile::InputFile(const char* op, std::string path) : op_(op), path_(std::move(path)) {
  // Not blocking, so that a pipe is refused below and not waited for.
  file_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file_ == -1) fail(op_, ": could not open ", path_, ": ", std::strerror(errno));
  struct stat status;
  if (fstat(file_, &status) == -1 || !S_ISREG(status.st_mode)) {
    close(file_);
    fail(op_, ": wanted a regular file; got ", path_,
         S_ISDIR(status.st_mode) ? ", a folder" : ", which is none");
  }
  size_ = status.st_size;
}

InputFile::~InputFile() { close(file_); }

void InputFile::read(int64_t offset, int64_t count, void* out) const {
  char* to = static_cast<char*>(out);
  while (count > 0) {
    const ssize_t got = pread(file_, to, static_cast<size_t>(count), offset);
    if (got == -1 && errno == EINTR) continue;
    if (got == -1) reject("could not read it: ", std::strerror(errno));
    if (got == 0) reject("ended early, at byte ", offset);
    to += got;
    offset += got;
    count -= got;
  }
}

void InputFile::read_pieces(FunctionRef<void(std::string_view)> f) const {
  std::vector<char> piece(static_cast<size_t>(std::clamp<int64_t>(size_, 0, int64_t{1} << 20)));
  for (int64_t offset = 0; offset < size_;) {
    const int64_t count = std::min(size_ - offset, static_cast<int64_t>(piece.size()));
    read(offset, count, piece.data());
    f(std::string_view(piece.data(), static_cast<size_t>(count)));
    offset += count;
  }
}

std::string InputFile::read_all() const {
  std::string out(static_cast<size_t>(size_), '\0');
  read(0, size_, out.data());
  return out;
}

}  // namespace rapt::data::detail
