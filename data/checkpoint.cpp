#include "rapt/data/checkpoint.h"

#include <cstring>
#include <sstream>
#include <unordered_set>

#include <cereal/archives/portable_binary.hpp>

#include "rapt/autograd/error.h"
#include "rapt/data/atomic_file.h"
#include "rapt/data/detail/checkpoint_header.h"
#include "rapt/data/detail/configuration.h"
#include "rapt/data/detail/tensor_bytes.h"

// FORMAT.md describes the file byte by byte. cereal writes and reads the header's fields one by
// one, and never a container: its own loading of strings and vectors allocates whatever the file
// says.

namespace rapt::data {

using detail::CheckpointHeader;
using detail::InputFile;

namespace {

constexpr uint32_t version = 1;
constexpr int64_t prefix_size = 24;  // magic, checksum, version, length of the header
constexpr int64_t alignment = 64;    // of the first element, for whoever maps the file

int64_t round_up(int64_t offset) { return (offset + alignment - 1) / alignment * alignment; }

template <class T>
void put(std::string& out, size_t at, T value) {
  std::memcpy(out.data() + at, &value, sizeof value);
}

template <class T>
T get(const std::string& in, size_t at) {
  T value;
  std::memcpy(&value, in.data() + at, sizeof value);
  return value;
}

class Writer {
 public:
  template <class T>
  void number(T value) {
    archive_(value);
  }
  void text(const std::string& value) {
    number<uint64_t>(value.size());
    archive_(cereal::binary_data(value.data(), value.size()));
  }
  std::string bytes() const { return stream_.str(); }

 private:
  std::ostringstream stream_;
  cereal::PortableBinaryOutputArchive archive_{stream_};
};

/// Whatever it gives has been there in the file: a length is believed only up to the bytes left.
class Reader {
 public:
  Reader(const InputFile& file, const std::string& bytes)
      : file_(file), stream_(bytes), left_(bytes.size() - 1) {}

  template <class T>
  T number() {
    take(sizeof(T));
    T value{};
    archive_(value);
    return value;
  }
  std::string text() {
    const auto length = number<uint64_t>();
    take(length);
    std::string value(length, '\0');
    archive_(cereal::binary_data(value.data(), value.size()));
    return value;
  }
  /// How many things follow, each of which takes at least `least` bytes.
  uint64_t count(uint64_t least) {
    const auto count = number<uint64_t>();
    if (count > left_ / least)
      reject("a count of ", std::to_string(count), " that it has no room for");
    return count;
  }
  bool done() const { return left_ == 0; }

  template <class... Parts>
  [[noreturn]] void reject(const Parts&... parts) const {
    file_.reject("the header has ", parts...);
  }

 private:
  void take(uint64_t bytes) {
    if (bytes > left_)
      reject("a length of ", std::to_string(bytes), " where ", left_, " bytes are left");
    left_ -= bytes;
  }

  const InputFile& file_;
  std::istringstream stream_;
  uint64_t left_;  // behind the byte in which the archive notes its endianness
  cereal::PortableBinaryInputArchive archive_{stream_};
};

}  // namespace

namespace detail {

std::string encode_header(const CheckpointHeader& header) {
  Writer writer;
  writer.number<uint64_t>(header.tensors.size());
  for (const CheckpointHeader::Entry& entry : header.tensors) {
    writer.text(entry.name);
    writer.number(static_cast<uint8_t>(entry.dtype));
    writer.number(static_cast<uint8_t>(entry.shape.rank()));
    for (const int64_t length : entry.shape) writer.number(length);
    writer.number(entry.crc);
  }
  writer.number<uint64_t>(header.values.size());
  for (const auto& [name, value] : header.values) {
    writer.text(name);
    writer.text(value);
  }
  const std::string body = writer.bytes();
  const auto size = static_cast<int64_t>(body.size());

  std::string out(static_cast<size_t>(round_up(prefix_size + size)), '\0');
  std::memcpy(out.data(), checkpoint_magic, sizeof checkpoint_magic);
  put(out, 12, version);
  put(out, 16, size);
  std::memcpy(out.data() + prefix_size, body.data(), body.size());
  put(out, 8, crc32_of(out.data() + 12, static_cast<int64_t>(out.size()) - 12));
  return out;
}

CheckpointHeader read_checkpoint_header(const InputFile& file) {
  std::string prefix(prefix_size, '\0');
  if (file.size() < prefix_size) {
    file.reject("wanted a rapt checkpoint; got a file of ", file.size(), " bytes");
  }
  file.read(0, prefix_size, prefix.data());
  if (std::memcmp(prefix.data(), checkpoint_magic, sizeof checkpoint_magic) != 0) {
    file.reject("wanted a rapt checkpoint; got a file that does not begin with RAPTCKPT");
  }
  if (get<uint32_t>(prefix, 12) != version) {
    file.reject("wanted version ", version, " of the format; got ", get<uint32_t>(prefix, 12));
  }
  const auto size = get<int64_t>(prefix, 16);
  if (size < 1 || size > file.size() - prefix_size || round_up(prefix_size + size) > file.size()) {
    file.reject("damaged: the header would have ", size, " bytes, the whole file has ",
                file.size());
  }
  const int64_t whole = round_up(prefix_size + size);
  std::string bytes(static_cast<size_t>(whole), '\0');
  file.read(0, whole, bytes.data());
  if (crc32_of(bytes.data() + 12, whole - 12) != get<uint32_t>(prefix, 8)) {
    file.reject("damaged: the checksum of the header is wrong");
  }
  for (int64_t i = prefix_size + size; i < whole; ++i) {
    if (bytes[static_cast<size_t>(i)] != '\0')
      file.reject("damaged: the gap behind the header is not empty");
  }

  CheckpointHeader header;
  Reader reader(file, bytes.substr(prefix_size, static_cast<size_t>(size)));
  std::unordered_set<std::string> names;
  int64_t offset = whole;
  for (uint64_t count = reader.count(14), i = 0; i < count; ++i) {
    CheckpointHeader::Entry entry;
    entry.name = reader.text();
    if (!names.insert(entry.name).second) reader.reject("two tensors named \"", entry.name, "\"");
    const auto dtype = reader.number<uint8_t>();
    if (dtype > static_cast<uint8_t>(Dtype::b8)) {
      reader.reject("an unknown dtype, ", dtype, ", for \"", entry.name, "\"");
    }
    entry.dtype = static_cast<Dtype>(dtype);
    const auto rank = reader.number<uint8_t>();
    if (rank > Shape::max_rank) reader.reject(rank, " axes for \"", entry.name, "\"");
    for (int axis = 0; axis < rank; ++axis) entry.shape.push_back(reader.number<int64_t>());
    entry.crc = reader.number<uint32_t>();
    const auto needed = checked_bytes(entry.shape, size_of(entry.dtype));
    if (!needed || *needed > file.size() - offset) {
      reader.reject("a shape, ", entry.shape, ", for \"", entry.name,
                    "\", for whose elements the file is too short");
    }
    entry.bytes = *needed;
    entry.offset = offset;
    offset += *needed;
    header.tensors.push_back(std::move(entry));
  }
  names.clear();
  std::vector<Values::Entry> values;
  for (uint64_t count = reader.count(16), i = 0; i < count; ++i) {
    std::string name = reader.text();
    if (!names.insert(name).second) reader.reject("two values named \"", name, "\"");
    values.emplace_back(std::move(name), reader.text());
  }
  if (!reader.done()) reader.reject("bytes behind its last field");
  if (offset != file.size()) {
    file.reject("damaged: wanted ", offset, " bytes; got a file of ", file.size());
  }
  header.values = Values(std::move(values));
  return header;
}

}  // namespace detail

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  const NoGrad no_grad;
  CheckpointHeader header;
  header.values =
      detail::joined("save_checkpoint", checkpoint.values, checkpoint.tensors.configuration());
  Tensors dense;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (!tensor.defined()) fail("save_checkpoint: wanted tensors; got \"", name, "\" undefined");
    dense.push_back(tensor.contiguous());
    CheckpointHeader::Entry entry;
    entry.name = name;
    entry.dtype = tensor.dtype();
    entry.shape = tensor.shape();
    entry.crc = detail::crc32_of(detail::bytes_of(dense.back()), detail::byte_count(tensor));
    header.tensors.push_back(std::move(entry));
  }
  AtomicFile file(path);
  const std::string front = encode_header(header);
  file.write(front.data(), front.size());
  for (const Tensor& tensor : dense) {
    file.write(detail::bytes_of(tensor), static_cast<size_t>(detail::byte_count(tensor)));
  }
  file.commit();
}

Checkpoint load_checkpoint(const std::string& path) {
  const InputFile file("load_checkpoint", path);
  CheckpointHeader header = read_checkpoint_header(file);
  Checkpoint out;
  for (const CheckpointHeader::Entry& entry : header.tensors) {
    const Tensor tensor = detail::read_tensor(file, entry.offset, entry.shape, entry.dtype);
    if (detail::crc32_of(detail::bytes_of(tensor), entry.bytes) != entry.crc) {
      file.reject("damaged: the checksum of \"", entry.name, "\" is wrong");
    }
    if (!detail::has_whole_flags(tensor)) {
      file.reject("wanted only 0 and 1 in the b8 tensor \"", entry.name, "\"; got others");
    }
    out.tensors.add(entry.name, tensor);
  }
  detail::Parted parted = detail::parted(header.values);
  out.values = std::move(parted.values);
  out.tensors.set_configuration(std::move(parted.configuration));
  return out;
}

}  // namespace rapt::data
