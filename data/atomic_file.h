#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace rapt::data {

/// Writes a file all or nothing: at every moment, also after kill -9, `path` holds either what it
/// held before or all of the new bytes.
///
/// The bytes go to a file of a new name in the same folder, PATH.rapt-....tmp, are synced to the
/// disk, and the file is renamed over `path`; then the folder is synced. So whoever has the old
/// file open goes on reading the old bytes, and a file may be written while it is being read. Of
/// two who write the same path, the last one wins. What killed processes left in the folder is
/// removed by the next who writes there.
///
/// A file that is there keeps its mode. A link at `path` is replaced, not followed; what is neither
/// file nor link (a device, a FIFO, a folder) is refused.
///
/// Every message says what holds after the failure: before the rename "PATH is as it was"; after
/// it, that PATH is new and whole, but might be the old one again after a loss of power.
class AtomicFile {
 public:
  /// Throws when the new file cannot be made, or `path` must not be replaced.
  explicit AtomicFile(std::string path);
  /// Removes the new file unless commit() got as far as the rename.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Puts bytes at the end.
  void write(const void* data, size_t size);
  /// Puts the file in its place. Nothing may be written after.
  void commit();

 private:
  void open();
  void flush();
  void write_now(const char* data, size_t size);
  [[noreturn]] void give_up(const char* what, int error_number) const;

  std::string path_;
  std::string temporary_;
  int file_ = -1;
  bool renamed_ = false;
  std::vector<char> buffer_;
};

/// Syncs a folder's list of names to the disk, so that a file made or renamed in it is still there
/// after a loss of power. Throws when that fails.
void sync_folder(const std::string& folder);

}  // namespace rapt::data
