#pragma once

// Private to rapt's own sources.

#include <string>

namespace rapt::training {

/// A folder that this process alone works in: another that wants to is refused.
class HeldFolder {
 public:
  /// Makes the folder, and those above it, if need be. Throws when it cannot be made or opened, or
  /// when another process, or another HeldFolder, has it. `function` opens the message.
  HeldFolder(const char* function, std::string path);
  ~HeldFolder();
  HeldFolder(const HeldFolder&) = delete;
  HeldFolder& operator=(const HeldFolder&) = delete;

  /// False when the name leads no more to the folder that was opened: it was removed or moved.
  bool is_there() const;

 private:
  std::string path_;
  int handle_ = -1, lock_ = -1;
};

}  // namespace rapt::training
