#pragma once

#include <string>

namespace rapt::cli {

struct InspectFlags {
  std::string file;  ///< a checkpoint, a safetensors file, or a run's folder
  bool json = false;
  bool check = false;  ///< read the elements, too
};

/// `rapt inspect`: prints the names, shapes, dtypes and sizes of the tensors in a file. With
/// `check`, throws when an element is damaged. The exit status: 1 when one is not finite.
int inspect_command(const InspectFlags& flags);

}  // namespace rapt::cli
