#include "rapt/data/atomic_file.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rapt/autograd/error.h"

namespace rapt::data {
namespace {

constexpr size_t buffer_size = size_t{1} << 20;

/// Runs a system call again for as long as a signal interrupts it.
template <class Call>
auto retry(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// True when the name still leads to the open file.
bool is_same_file(int file, const std::string& path) {
  struct stat open_one, named_one;
  return fstat(file, &open_one) == 0 && lstat(path.c_str(), &named_one) == 0 &&
         open_one.st_dev == named_one.st_dev && open_one.st_ino == named_one.st_ino;
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), temporary_(path_ + ".tmp") {
  if (path_.empty()) fail("save: wanted the path of a file; got \"\"");
  buffer_.reserve(buffer_size);
  open();
}

AtomicFile::~AtomicFile() {
  if (file_ == -1) return;
  // Removed while it is still locked: whoever waits for the lock then sees that the name is gone.
  if (!renamed_) unlink(temporary_.c_str());
  close(file_);
}

void AtomicFile::open() {
  for (;;) {
    file_ = retry([&] {
      return ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    });
    if (file_ == -1) give_up("could not make", errno);
    // Where the file system knows no locks, a single writer is still safe: go on without.
    retry([&] { return flock(file_, LOCK_EX); });
    if (is_same_file(file_, temporary_)) break;
    // While we waited, another writer put the file in its place, or removed it.
    close(std::exchange(file_, -1));
  }
  if (retry([&] { return ftruncate(file_, 0); }) == -1) {
    const int error_number = errno;
    close(std::exchange(file_, -1));
    give_up("could not empty", error_number);
  }
}

void AtomicFile::write(const void* data, size_t size) {
  if (size == 0) return;
  if (buffer_.size() + size > buffer_size) flush();
  const char* bytes = static_cast<const char*>(data);
  if (size >= buffer_size) {
    write_now(bytes, size);
  } else {
    buffer_.insert(buffer_.end(), bytes, bytes + size);
  }
}

void AtomicFile::flush() {
  write_now(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void AtomicFile::write_now(const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = retry([&] { return ::write(file_, data, size); });
    if (written == -1) give_up("could not write", errno);
    data += written;
    size -= static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  flush();
  if (retry([&] { return fsync(file_); }) == -1) give_up("could not sync", errno);
  if (rename(temporary_.c_str(), path_.c_str()) == -1) give_up("could not rename", errno);
  renamed_ = true;
  try {
    sync_folder(folder_of(path_));
  } catch (const Error& error) {
    fail("save: ", path_,
         " is new and whole, but after a loss of power it might be the old one: ", error.what());
  }
}

void AtomicFile::give_up(const char* what, int error_number) const {
  fail("save: ", path_, " is as it was: ", what, " ", temporary_, ": ",
       std::strerror(error_number));
}

void sync_folder(const std::string& folder) {
  const int handle =
      retry([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  int error_number = handle == -1 ? errno : 0;
  if (handle != -1) {
    // EINVAL: the file system has no such thing as syncing a folder, and needs none.
    if (retry([&] { return fsync(handle); }) == -1 && errno != EINVAL) error_number = errno;
    close(handle);
  }
  if (error_number != 0) {
    fail("could not sync the folder ", folder, ": ", std::strerror(error_number));
  }
}

}  // namespace rapt::data
