#include "rapt/data/safetensors.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rapt/autograd/create.h"
#include "rapt/autograd/error.h"
#include "rapt/data/atomic_file.h"
#include "rapt/data/detail/configuration.h"
#include "rapt/data/detail/half.h"
#include "rapt/data/detail/safetensors_header.h"
#include "rapt/data/detail/tensor_bytes.h"

namespace rapt::data {

using detail::InputFile;
using detail::SafetensorsHeader;

namespace {

const char* spelled(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return "F32";
    case Dtype::f64:
      return "F64";
    case Dtype::i64:
      return "I64";
    case Dtype::b8:
      return "BOOL";
  }
  fail("save_safetensors: wanted f32, f64, i64 or b8; got ", dtype);
}

std::string crc_of(const Tensor& dense) {
  return detail::crc_text(detail::crc32_of(detail::bytes_of(dense), detail::byte_count(dense)));
}

/// A tensor of a 16-bit float dtype, as f32.
Tensor read_half(const InputFile& file, int64_t offset, const SafetensorsHeader::Entry& entry) {
  std::vector<uint16_t> bits(static_cast<size_t>(entry.end - entry.begin) / sizeof(uint16_t));
  file.read(offset, entry.end - entry.begin, bits.data());
  Tensor out = zeros(entry.shape, Dtype::f32);
  if (bits.empty()) return out;
  const auto widen = entry.dtype == "F16" ? detail::from_float16 : detail::from_bfloat16;
  std::transform(bits.begin(), bits.end(), out.mutable_data<float>(), widen);
  return out;
}

Tensor read(const InputFile& file, const SafetensorsHeader& header,
            const SafetensorsHeader::Entry& entry) {
  const int64_t offset = header.data_offset + entry.begin;
  if (entry.dtype == "F16" || entry.dtype == "BF16") return read_half(file, offset, entry);
  for (const Dtype dtype : {Dtype::f32, Dtype::f64, Dtype::i64, Dtype::b8}) {
    if (entry.dtype == spelled(dtype)) return detail::read_tensor(file, offset, entry.shape, dtype);
  }
  file.reject("wanted F32, F64, I64, BOOL, F16 or BF16 for \"", entry.name, "\"; got ",
              entry.dtype);
}

}  // namespace

void save_safetensors(const std::string& path, const NamedTensors& tensors,
                      const Values& metadata) {
  const NoGrad no_grad;
  SafetensorsHeader header;
  for (const auto& [name, value] : metadata) {
    if (name.starts_with(detail::crc_name)) {
      fail("save_safetensors: wanted metadata whose names do not begin with ", detail::crc_name,
           "; got \"", name, "\"");
    }
  }
  const Values own = detail::joined("save_safetensors", metadata, tensors.configuration());
  std::vector<Values::Entry> all_metadata(own.begin(), own.end());
  Tensors dense;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.defined()) fail("save_safetensors: wanted tensors; got \"", name, "\" undefined");
    if (name == "__metadata__") {
      fail("save_safetensors: wanted names other than __metadata__, which is the format's own");
    }
    dense.push_back(tensor.contiguous());
    all_metadata.emplace_back(text(detail::crc_name, ".", name), crc_of(dense.back()));
    header.tensors.push_back({name, spelled(tensor.dtype()), tensor.shape(), 0, 0});
  }
  header.metadata = Values(std::move(all_metadata));
  header.metadata.set(detail::crc_name, detail::crc_text(detail::crc_of_header(header)));

  // Wide elements first, so that every tensor lies on a multiple of its element.
  std::vector<size_t> order(dense.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return size_of(dense[a].dtype()) > size_of(dense[b].dtype());
  });
  int64_t offset = 0;
  for (const size_t i : order) {
    header.tensors[i].begin = offset;
    offset += detail::byte_count(dense[i]);
    header.tensors[i].end = offset;
  }

  const std::string front = encode_header(header);
  AtomicFile file(path);
  file.write(front.data(), front.size());
  for (const size_t i : order) {
    file.write(detail::bytes_of(dense[i]), static_cast<size_t>(detail::byte_count(dense[i])));
  }
  file.commit();
}

NamedTensors load_safetensors(const std::string& path, Values* metadata) {
  const InputFile file("load_safetensors", path);
  const SafetensorsHeader header = read_safetensors_header(file);
  std::unordered_map<std::string_view, std::string_view> metadata_texts;
  for (const auto& [name, value] : header.metadata) metadata_texts.emplace(name, value);
  NamedTensors out;
  for (const SafetensorsHeader::Entry& entry : header.tensors) {
    const Tensor tensor = read(file, header, entry);
    const auto sum = metadata_texts.find(text(detail::crc_name, ".", entry.name));
    if (sum != metadata_texts.end() && sum->second != crc_of(tensor)) {
      file.reject("the checksum of \"", entry.name,
                  "\" is wrong: it is damaged, or was changed by "
                  "a program that copied the metadata \"",
                  sum->first, "\" with it");
    }
    if (!detail::has_whole_flags(tensor)) {
      file.reject("wanted only 0 and 1 in the BOOL tensor \"", entry.name, "\"; got others");
    }
    out.add(entry.name, tensor);
  }
  detail::Parted parted = detail::parted(detail::without_checksums(header.metadata));
  if (metadata) *metadata = std::move(parted.values);
  out.set_configuration(std::move(parted.configuration));
  return out;
}

}  // namespace rapt::data
