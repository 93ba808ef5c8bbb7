// The reader of checkpoints: bytes of any kind are refused or, if taken, are saved and read as the
// same. The header's checksum is made right, or nearly every input would end there.

#include <algorithm>
#include <cstring>

#include <zlib.h>

#include "rapt/autograd/error.h"
#include "rapt/data/checkpoint.h"
#include "rapt/data/inspect.h"
#include "scratch.h"
#include "tensor_file.h"

namespace {

/// See FORMAT.md: the magic, a checksum, and what it is of up to the first element.
std::string checkpoint_of(std::string_view body) {
  uint64_t header = 0;
  if (body.size() >= 12) std::memcpy(&header, body.data() + 4, 8);
  const uint64_t first = std::min<uint64_t>(header, body.size()) + 24;
  const size_t covered = std::min<size_t>((first + 63) / 64 * 64 - 12, body.size());
  const auto crc = static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(covered)));
  std::string file = "RAPTCKPT";
  file.append(reinterpret_cast<const char*>(&crc), 4);
  file += body;
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rapt;
  const std::string path = fuzz::written("in.rapt", checkpoint_of(fuzz::view(data, size)));
  try {
    data::inspect(path);
  } catch (const Error&) {
  }
  try {
    const data::Checkpoint read = data::load_checkpoint(path);
    const std::string again = fuzz::scratch() + "again.rapt";
    data::save_checkpoint(again, read);
    const data::Checkpoint twice = data::load_checkpoint(again);
    fuzz::require_same(read.tensors, twice.tensors);
    if (!(read.values == twice.values)) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
