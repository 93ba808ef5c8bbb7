#pragma once

#include <string>

#include "rapt/autograd/named_tensors.h"
#include "rapt/autograd/values.h"

namespace rapt::data {

/// All that a run needs to go on: tensors and small values, each by name and in order.
struct Checkpoint {
  NamedTensors tensors;
  Values values;
};

/// Writes a checkpoint file (FORMAT.md): every dtype, any shape; a strided view is saved as its
/// values. All or nothing: see AtomicFile for what holds when it throws.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);

/// Reads a checkpoint file. Everything in it is verified, checksums included: whatever is wrong
/// with the file, it throws, naming the file and what is wrong, and never takes more memory than
/// the size of the file justifies. The tensors are dense and need no gradient.
Checkpoint load_checkpoint(const std::string& path);

}  // namespace rapt::data
