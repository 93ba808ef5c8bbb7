#pragma once

// Private to rapt's own sources: what a safetensors file says before its elements.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rapt/autograd/shape.h"
#include "rapt/autograd/values.h"
#include "rapt/data/detail/input_file.h"

namespace rapt::data::detail {

/// What rapt calls its checksums in the metadata: this alone is the header's, with ".NAME" behind
/// it that of a tensor.
constexpr std::string_view crc_name = "rapt.crc32";

struct SafetensorsHeader {
  struct Entry {
    std::string name;
    std::string dtype;  // as the format spells it
    Shape shape;
    int64_t begin = 0;  // of the elements, counted from the end of the header
    int64_t end = 0;
  };
  std::vector<Entry> tensors;  // in the header's order
  Values metadata;             // rapt's checksums among it
  int64_t data_offset = 0;     // where the elements begin in the file
};

/// The metadata as whoever saved the file gave it.
Values without_checksums(const Values& metadata);

/// Eight digits.
std::string crc_text(uint32_t crc);

/// The checksum of all that the header says but where the elements lie: names, dtypes, shapes and
/// metadata, whatever their order and spelling in JSON, so that a file may be written again by
/// another program. FORMAT.md says how it is computed.
uint32_t crc_of_header(const SafetensorsHeader& header);

/// The beginning of the file: length, JSON, and spaces up to a multiple of 8.
std::string encode_header(const SafetensorsHeader& header);

/// Reads and verifies it, the checksum of the header included where there is one. Throws, naming
/// the file, unless the elements fill exactly the rest.
SafetensorsHeader read_safetensors_header(const InputFile& file);

}  // namespace rapt::data::detail
