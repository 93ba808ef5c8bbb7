#include "rapt/data/atomic_file.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rapt/autograd/error.h"
#include "rapt/data/detail/hash.h"

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

constexpr std::string_view mark = ".rapt-", suffix = ".tmp";
constexpr size_t digits = 16;

/// PATH.rapt-0123456789abcdef.tmp, another each time.
std::string temporary_name(const std::string& path) {
  static std::atomic<uint64_t> count{0};
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  const uint64_t number = detail::mix(detail::mix(static_cast<uint64_t>(now), ++count),
                                      static_cast<uint64_t>(getpid()));
  std::array<char, digits + 1> hex;
  std::snprintf(hex.data(), hex.size(), "%016llx", static_cast<unsigned long long>(number));
  return path + std::string(mark) + hex.data() + std::string(suffix);
}

bool is_temporary_name(std::string_view name) {
  if (name.size() < mark.size() + digits + suffix.size() || !name.ends_with(suffix)) return false;
  name.remove_suffix(suffix.size());
  if (name.substr(name.size() - digits).find_first_not_of("0123456789abcdef") !=
      std::string_view::npos) {
    return false;
  }
  name.remove_suffix(digits);
  return name.ends_with(mark);
}

/// Removes the new files of writers that are no more: those that nobody has locked.
void remove_leftovers(const std::string& folder) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string path = entry->path().string();
    if (!is_temporary_name(entry->path().filename().string())) continue;
    const int file =
        retry([&] { return ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); });
    if (file == -1) continue;
    if (flock(file, LOCK_EX | LOCK_NB) == 0 && is_same_file(file, path)) unlink(path.c_str());
    close(file);
  }
}

/// The mode of the file that is replaced; none if there is none.
std::optional<mode_t> replaced_mode(const std::string& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) == -1 || S_ISLNK(status.st_mode)) return std::nullopt;
  if (!S_ISREG(status.st_mode)) {
    fail("save: ", path, " is as it was: wanted the path of a file; this is ",
         S_ISDIR(status.st_mode) ? "a folder" : "a device, a FIFO or a socket");
  }
  return status.st_mode & 07777;
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
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
  const std::optional<mode_t> mode = replaced_mode(path_);
  remove_leftovers(folder_of(path_));
  for (;;) {
    temporary_ = temporary_name(path_);
    file_ = retry([&] {
      return ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    mode ? 0600 : 0666);
    });
    if (file_ == -1 && errno == EEXIST) continue;
    if (file_ == -1) give_up("could not make", errno);
    // The lock says that its writer lives. Where the file system knows none, nothing is swept.
    retry([&] { return flock(file_, LOCK_EX); });
    if (is_same_file(file_, temporary_)) break;
    close(std::exchange(file_, -1));  // swept before it was locked
  }
  if (mode && retry([&] { return fchmod(file_, *mode); }) == -1) {
    const int error_number = errno;
    unlink(temporary_.c_str());
    close(std::exchange(file_, -1));
    give_up("could not set the mode of", error_number);
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
