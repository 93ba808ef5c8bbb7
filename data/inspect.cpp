#include "rapt/data/inspect.h"

#include <algorithm>
#include <cstring>

#include "rapt/data/detail/checkpoint_header.h"
#include "rapt/data/detail/safetensors_header.h"

namespace rapt::data {
namespace {

FileInfo inspect_checkpoint(const detail::InputFile& file) {
  detail::CheckpointHeader header = read_checkpoint_header(file);
  FileInfo info{"rapt checkpoint", file.size(), {}, std::move(header.values)};
  for (auto& entry : header.tensors) {
    info.tensors.push_back(
        {std::move(entry.name), std::string(name_of(entry.dtype)), entry.shape, entry.bytes});
  }
  return info;
}

FileInfo inspect_safetensors(const detail::InputFile& file) {
  detail::SafetensorsHeader header = read_safetensors_header(file);
  FileInfo info{"safetensors", file.size(), {}, {}};
  for (auto& entry : header.tensors) {
    info.tensors.push_back(
        {std::move(entry.name), std::move(entry.dtype), entry.shape, entry.end - entry.begin});
  }
  info.values = detail::without_checksums(header.metadata);
  return info;
}

}  // namespace

FileInfo inspect(const std::string& path) {
  const detail::InputFile file("inspect", path);
  char magic[sizeof detail::checkpoint_magic] = {};
  file.read(0, std::min<int64_t>(file.size(), sizeof magic), magic);
  const bool is_checkpoint = std::memcmp(magic, detail::checkpoint_magic, sizeof magic) == 0;
  if (is_checkpoint) return inspect_checkpoint(file);
  // The header of safetensors begins behind its size; a shorter file is rejected by its reader.
  constexpr int64_t header = 8;
  char first = '{';
  if (file.size() > header) file.read(header, 1, &first);
  if (first != '{') file.reject("wanted a rapt checkpoint or a safetensors file; got neither");
  return inspect_safetensors(file);
}

}  // namespace rapt::data
