#pragma once

#include <string>

#include "rapt/autograd/named_tensors.h"
#include "rapt/autograd/values.h"

/// Files that PyTorch and others read and write: https://github.com/huggingface/safetensors
namespace rapt::data {

/// Writes a safetensors file: f32, f64, i64 and b8 as F32, F64, I64 and BOOL; a strided view is
/// saved as its values. The format has no checksums, so they go into the metadata (FORMAT.md),
/// where others overlook them. All or nothing: see AtomicFile for what holds when it throws. Throws
/// when a name is not UTF-8 or is "__metadata__", or a metadata name begins "rapt.crc32".
void save_safetensors(const std::string& path, const NamedTensors& tensors,
                      const Values& metadata = {});

/// Reads a safetensors file: F32, F64, I64 and BOOL; F16 and BF16 become f32. `metadata`, if given,
/// receives the file's, without rapt's checksums. Everything that the format demands is verified,
/// and the checksums where there are any: a bad file throws, naming the file and what is wrong, and
/// never takes more memory than its size justifies. Throws naming the tensor for any other dtype.
NamedTensors load_safetensors(const std::string& path, Values* metadata = nullptr);

}  // namespace rapt::data
