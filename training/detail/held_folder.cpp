#include "rapt/training/detail/held_folder.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rapt/autograd/error.h"

namespace rapt::training {

HeldFolder::HeldFolder(const char* function, std::string path) : path_(std::move(path)) {
  std::error_code error;
  std::filesystem::create_directories(path_, error);
  if (error) fail(function, ": could not make the folder ", path_, ": ", error.message());
  handle_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle_ == -1) {
    fail(function, ": could not open the folder ", path_, ": ", std::strerror(errno));
  }
  bool is_taken = flock(handle_, LOCK_EX | LOCK_NB) == -1;
  if (is_taken && errno != EWOULDBLOCK) {
    // NFS locks nothing that is not open for writing, and so no folder. Where no file can be locked
    // either, there is no lock.
    lock_ = ::open((path_ + "/.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    is_taken = lock_ != -1 && flock(lock_, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK;
  }
  if (!is_taken) return;
  close(handle_);
  if (lock_ != -1) close(lock_);
  fail(function, ": another run is at work in ", path_);
}

HeldFolder::~HeldFolder() {
  close(handle_);
  if (lock_ != -1) close(lock_);
}

bool HeldFolder::is_there() const {
  struct stat opened, named;
  return fstat(handle_, &opened) == 0 && stat(path_.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

}  // namespace rapt::training
