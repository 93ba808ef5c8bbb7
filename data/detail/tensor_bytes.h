#pragma once

// Private to rapt's own sources: tensors as the bytes that files hold.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "rapt/autograd/tensor.h"
#include "rapt/data/detail/input_file.h"

namespace rapt::data::detail {

static_assert(std::endian::native == std::endian::little,
              "rapt's files hold little-endian elements, which are read straight into memory");

/// The elements of a dense tensor.
const void* bytes_of(const Tensor& dense);

/// Their number of bytes.
int64_t byte_count(const Tensor& tensor);

/// The bytes that a shape from a file asks for; none when a length is negative or the size is
/// beyond 64 bits. (Shape::numel trusts its shape.)
std::optional<int64_t> checked_bytes(const Shape& shape, int64_t bytes_per_element);

/// The zlib checksum of some bytes.
uint32_t crc32_of(const void* data, int64_t size, uint32_t before = 0);

/// A tensor whose elements are read from a place in a file that is known to hold them all.
Tensor read_tensor(const InputFile& file, int64_t offset, const Shape& shape, Dtype dtype);

/// True unless a byte of a b8 tensor is neither 0 nor 1, which nothing may then read as a bool.
bool has_whole_flags(const Tensor& dense);

}  // namespace rapt::data::detail
