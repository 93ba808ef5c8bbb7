#pragma once

// Private to rapt's own sources: what a checkpoint file says before its elements.

#include <cstdint>
#include <string>
#include <vector>

#include "rapt/autograd/dtype.h"
#include "rapt/autograd/shape.h"
#include "rapt/autograd/values.h"
#include "rapt/data/detail/input_file.h"

namespace rapt::data::detail {

constexpr char checkpoint_magic[8] = {'R', 'A', 'P', 'T', 'C', 'K', 'P', 'T'};

struct CheckpointHeader {
  struct Entry {
    std::string name;
    Dtype dtype = Dtype::f32;
    Shape shape;
    uint32_t crc = 0;    // of the elements
    int64_t bytes = 0;   // of the elements; follows from dtype and shape
    int64_t offset = 0;  // of the elements in the file; follows from the entries before
  };
  std::vector<Entry> tensors;
  Values values;
};

/// Everything up to the elements, as the file begins.
std::string encode_header(const CheckpointHeader& header);

/// Reads it back. Throws unless all of it is right and the elements fill exactly the rest.
CheckpointHeader read_checkpoint_header(const InputFile& file);

}  // namespace rapt::data::detail
