#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rapt/autograd/shape.h"
#include "rapt/autograd/values.h"

namespace rapt::data {

/// A tensor in a file.
struct TensorInfo {
  std::string name;
  std::string dtype;  ///< as the file spells it: "f32" in a checkpoint, "F32" in safetensors
  Shape shape;
  int64_t bytes = 0;  ///< of its elements in the file
};

/// What a file holds.
struct FileInfo {
  std::string format;               ///< "rapt checkpoint" or "safetensors"
  int64_t bytes = 0;                ///< of the whole file
  std::vector<TensorInfo> tensors;  ///< in the file's order
  Values values;                    ///< a checkpoint's values, or the metadata of safetensors
};

/// Lists a checkpoint or a safetensors file (told apart by their first bytes) without reading the
/// elements. Every dtype of safetensors is listed, also those that rapt does not load. Throws as
/// load_checkpoint and load_safetensors do, but does not see damage inside the elements.
FileInfo inspect(const std::string& path);

}  // namespace rapt::data
