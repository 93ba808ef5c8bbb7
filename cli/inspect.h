#pragma once

#include <string>

namespace rapt::cli {

struct InspectFlags {
  std::string file;  ///< a checkpoint, a safetensors file, or a run's folder
  bool json = false;
};

/// `rapt inspect`: prints the names, shapes, dtypes and sizes of the tensors in a file.
void inspect_command(const InspectFlags& flags);

}  // namespace rapt::cli
