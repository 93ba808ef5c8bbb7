#include "rapt/data/detail/tensor_bytes.h"

#include <algorithm>
#include <limits>

#include <zlib.h>

#include "rapt/autograd/create.h"

namespace rapt::data::detail {

const void* bytes_of(const Tensor& dense) {
  return visit_any(dense.dtype(),
                   [&](auto zero) -> const void* { return dense.data<decltype(zero)>(); });
}

int64_t byte_count(const Tensor& tensor) { return tensor.numel() * size_of(tensor.dtype()); }

std::optional<int64_t> checked_bytes(const Shape& shape, int64_t bytes_per_element) {
  int64_t bytes = bytes_per_element;
  bool is_empty = false;
  for (const int64_t length : shape) {
    if (length < 0) return std::nullopt;
    if (length == 0) {
      is_empty = true;
    } else if (bytes > std::numeric_limits<int64_t>::max() / length) {
      return std::nullopt;
    } else {
      bytes *= length;
    }
  }
  return is_empty ? 0 : bytes;
}

uint32_t crc32_of(const void* data, int64_t size, uint32_t before) {
  return static_cast<uint32_t>(
      crc32_z(before, static_cast<const Bytef*>(data), static_cast<z_size_t>(size)));
}

Tensor read_tensor(const InputFile& file, int64_t offset, const Shape& shape, Dtype dtype) {
  Tensor out = zeros(shape, dtype);
  if (out.numel() == 0) return out;
  visit_any(dtype, [&](auto zero) {
    file.read(offset, byte_count(out), out.mutable_data<decltype(zero)>());
  });
  return out;
}

bool has_whole_flags(const Tensor& dense) {
  if (dense.dtype() != Dtype::b8) return true;
  const auto* flags = static_cast<const unsigned char*>(bytes_of(dense));
  return std::all_of(flags, flags + byte_count(dense),
                     [](unsigned char flag) { return flag <= 1; });
}

}  // namespace rapt::data::detail
