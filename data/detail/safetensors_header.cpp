#include "rapt/data/detail/safetensors_header.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <unordered_set>
#include <utility>

#include <nlohmann/json.hpp>

#include "rapt/autograd/error.h"
#include "rapt/data/detail/tensor_bytes.h"

namespace rapt::data::detail {
namespace {

constexpr int64_t largest_header = 100'000'000;  // bytes; the format's own limit

/// Bytes of one element, or 0 for a dtype that this does not know.
int64_t element_bytes(std::string_view dtype) {
  constexpr std::pair<std::string_view, int64_t> known[] = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"F8_E8M0", 1},
      {"U16", 2},  {"I16", 2}, {"F16", 2}, {"BF16", 2},    {"U32", 4},     {"I32", 4},
      {"F32", 4},  {"U64", 8}, {"I64", 8}, {"F64", 8},     {"C64", 8}};
  for (const auto& [name, bytes] : known) {
    if (name == dtype) return bytes;
  }
  return 0;
}

/// Takes the header's JSON as it is parsed, so that what does not belong there is refused before it
/// takes any memory, and a name that comes twice is seen:
///
///   {"__metadata__": {NAME: TEXT, ...}, NAME: {"dtype": TEXT, "shape": [n, ...],
///    "data_offsets": [begin, end]}, ...}
class HeaderHandler : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderHandler(const InputFile& file) : file_(file) {}

  SafetensorsHeader take() {
    header_.metadata = Values(std::move(metadata_));
    return std::move(header_);
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::header;
    } else if (place_ == Place::tensor_or_metadata) {
      place_ = key_ == "__metadata__" ? Place::metadata : Place::tensor;
      if (place_ == Place::tensor) {
        entry_ = {};
        entry_.name = key_;
        offsets_.clear();
        has_dtype_ = has_shape_ = has_offsets_ = false;
      }
    } else {
      reject("an object");
    }
    return true;
  }

  bool key(std::string& name) override {
    key_ = name;
    if (place_ == Place::header) {
      unique(names_, "tensors or fields named");
      place_ = Place::tensor_or_metadata;
    } else if (place_ == Place::metadata) {
      unique(metadata_names_, "metadata named");
      place_ = Place::metadata_value;
    } else if (name == "dtype" && !std::exchange(has_dtype_, true)) {
      place_ = Place::dtype;
    } else if (name == "shape" && !std::exchange(has_shape_, true)) {
      place_ = Place::shape_array;
    } else if (name == "data_offsets" && !std::exchange(has_offsets_, true)) {
      place_ = Place::offsets_array;
    } else {
      reject("the field \"", name, "\", unknown or for the second time, ");
    }
    return true;
  }

  bool string(std::string& value) override {
    if (place_ == Place::metadata_value) {
      metadata_.emplace_back(key_, value);
      place_ = Place::metadata;
    } else if (place_ == Place::dtype) {
      entry_.dtype = value;
      place_ = Place::tensor;
    } else {
      reject("a text");
    }
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::shape_array) {
      place_ = Place::shape;
    } else if (place_ == Place::offsets_array) {
      place_ = Place::offsets;
    } else {
      reject("a list");
    }
    return true;
  }

  bool number_unsigned(uint64_t value) override {
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) reject("a huge number");
    if (place_ == Place::shape) {
      if (entry_.shape.rank() == Shape::max_rank) {
        file_.reject("wanted at most ", Shape::max_rank, " axes; got more for \"", entry_.name,
                     "\"");
      }
      entry_.shape.push_back(static_cast<int64_t>(value));
    } else if (place_ == Place::offsets && offsets_.size() < 2) {
      offsets_.push_back(static_cast<int64_t>(value));
    } else {
      reject("a number");
    }
    return true;
  }

  bool end_array() override {
    if (place_ == Place::offsets && offsets_.size() != 2) reject("one of two data_offsets");
    place_ = Place::tensor;
    return true;
  }

  bool end_object() override {
    if (place_ == Place::tensor) {
      if (!has_dtype_ || !has_shape_ || !has_offsets_) {
        file_.reject("wanted dtype, shape and data_offsets for \"", entry_.name, "\"; got fewer");
      }
      entry_.begin = offsets_[0];
      entry_.end = offsets_[1];
      header_.tensors.push_back(std::move(entry_));
    }
    place_ = place_ == Place::header ? Place::outside : Place::header;
    return true;
  }

  bool null() override { reject("null"); }
  bool boolean(bool) override { reject("a truth value"); }
  bool number_integer(int64_t) override { reject("a negative number"); }
  bool number_float(double, const std::string&) override { reject("a fraction"); }
  bool binary(nlohmann::json::binary_t&) override { reject("binary data"); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    file_.reject("wanted JSON; got something else at byte ", position, " of the header");
  }

 private:
  enum class Place {
    outside,
    header,
    tensor_or_metadata,
    metadata,
    metadata_value,
    tensor,
    dtype,
    shape_array,
    shape,
    offsets_array,
    offsets
  };

  template <class... Parts>
  [[noreturn]] void reject(const Parts&... parts) const {
    file_.reject("the header has ", parts..., " where the format has none, near \"", key_, "\"");
  }
  void unique(std::unordered_set<std::string>& seen, const char* what) {
    if (!seen.insert(key_).second) file_.reject("the header has two ", what, " \"", key_, "\"");
  }

  const InputFile& file_;
  SafetensorsHeader header_;
  std::vector<Values::Entry> metadata_;
  std::unordered_set<std::string> names_, metadata_names_;
  Place place_ = Place::outside;
  std::string key_;
  SafetensorsHeader::Entry entry_;
  std::vector<int64_t> offsets_;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
};

/// Every tensor has the bytes that its shape asks for, and together they cover the data without a
/// gap or an overlap.
void check_layout(const InputFile& file, const SafetensorsHeader& header, int64_t data_bytes) {
  std::vector<const SafetensorsHeader::Entry*> by_place;
  for (const SafetensorsHeader::Entry& entry : header.tensors) {
    if (entry.end < entry.begin || entry.end > data_bytes) {
      file.reject("wanted \"", entry.name, "\" inside the ", data_bytes, " bytes of data; got ",
                  entry.begin, " to ", entry.end);
    }
    if (const int64_t element = element_bytes(entry.dtype); element > 0) {
      const auto needed = checked_bytes(entry.shape, element);
      if (!needed || *needed != entry.end - entry.begin) {
        file.reject("wanted the bytes of ", entry.dtype, entry.shape, " for \"", entry.name,
                    "\"; got ", entry.end - entry.begin);
      }
    }
    by_place.push_back(&entry);
  }
  std::sort(by_place.begin(), by_place.end(), [](const auto* a, const auto* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  int64_t covered = 0;
  for (const SafetensorsHeader::Entry* entry : by_place) {
    if (entry->begin != covered) {
      file.reject("wanted tensors one after another; got ",
                  entry->begin > covered ? "a gap before \"" : "an overlap with \"", entry->name,
                  "\"");
    }
    covered = entry->end;
  }
  if (covered != data_bytes) {
    file.reject("wanted ", covered, " bytes of data; got ", data_bytes);
  }
}

/// The header's checksum covers the names and values of the others, so where there is one of rapt's
/// checksums, this one must be there.
void check_checksums(const InputFile& file, const SafetensorsHeader& header) {
  const Values& metadata = header.metadata;
  const bool any = std::any_of(metadata.begin(), metadata.end(), [](const Values::Entry& entry) {
    return entry.first.starts_with(crc_name);
  });
  if (!any) return;
  if (!metadata.contains(crc_name) || metadata.text(crc_name) != crc_text(crc_of_header(header))) {
    file.reject(
        "the checksum of the header is wrong: the file is damaged, or was changed by a program "
        "that copied the metadata \"",
        crc_name, "\" with it");
  }
}

/// Compact JSON. Names that are not UTF-8 have no form in JSON.
std::string dump(const auto& json) {
  try {
    return json.dump();
  } catch (const nlohmann::json::exception&) {
    fail("save_safetensors: wanted names and metadata in UTF-8; got other bytes in one of them");
  }
}

}  // namespace

Values without_checksums(const Values& metadata) {
  std::vector<Values::Entry> rest;
  for (const Values::Entry& entry : metadata) {
    if (!entry.first.starts_with(crc_name)) rest.push_back(entry);
  }
  return Values(std::move(rest));
}

std::string crc_text(uint32_t crc) {
  std::string out;
  for (int shift = 28; shift >= 0; shift -= 4) out += "0123456789abcdef"[(crc >> shift) & 15];
  return out;
}

uint32_t crc_of_header(const SafetensorsHeader& header) {
  nlohmann::json canonical = nlohmann::json::object();  // sorts its names
  for (const SafetensorsHeader::Entry& entry : header.tensors) {
    canonical[entry.name] = {
        {"dtype", entry.dtype},
        {"shape", std::vector<int64_t>(entry.shape.begin(), entry.shape.end())}};
  }
  nlohmann::json metadata = nlohmann::json::object();
  for (const auto& [name, value] : header.metadata) {
    if (name != crc_name) metadata[name] = value;
  }
  canonical["__metadata__"] = std::move(metadata);
  const std::string bytes = dump(canonical);
  return crc32_of(bytes.data(), static_cast<int64_t>(bytes.size()));
}

std::string encode_header(const SafetensorsHeader& header) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  nlohmann::ordered_json& metadata = json["__metadata__"] = nlohmann::ordered_json::object();
  for (const auto& [name, value] : header.metadata) metadata[name] = value;
  for (const SafetensorsHeader::Entry& entry : header.tensors) {
    json[entry.name] = {{"dtype", entry.dtype},
                        {"shape", std::vector<int64_t>(entry.shape.begin(), entry.shape.end())},
                        {"data_offsets", {entry.begin, entry.end}}};
  }
  std::string body = dump(json);
  body.resize((body.size() + 7) / 8 * 8, ' ');
  if (static_cast<int64_t>(body.size()) > largest_header) {
    fail("save_safetensors: wanted a header of at most ", largest_header, " bytes; got ",
         body.size());
  }
  const uint64_t size = body.size();
  std::string out(sizeof size, '\0');
  std::memcpy(out.data(), &size, sizeof size);
  return out + body;
}

SafetensorsHeader read_safetensors_header(const InputFile& file) {
  uint64_t size = 0;
  if (file.size() < int64_t{sizeof size}) {
    file.reject("wanted a safetensors file; got one of ", file.size(), " bytes");
  }
  file.read(0, sizeof size, &size);
  const int64_t room = file.size() - int64_t{sizeof size};
  if (size > static_cast<uint64_t>(std::min(room, largest_header))) {
    file.reject("wanted a header of at most ", largest_header, " bytes and within the file's ",
                file.size(), "; got ", std::to_string(size));
  }
  std::string body(size, '\0');
  file.read(sizeof size, static_cast<int64_t>(size), body.data());
  if (body.empty() || body[0] != '{')
    file.reject("wanted a header that begins with '{'; got another");
  // JSON has no such byte, but the parser would take it for the end and overlook the rest.
  if (body.find('\0') != std::string::npos)
    file.reject("wanted JSON; got a zero byte in the header");

  HeaderHandler handler(file);
  nlohmann::json::sax_parse(body, &handler);
  SafetensorsHeader header = handler.take();
  header.data_offset = static_cast<int64_t>(sizeof size + size);
  check_layout(file, header, file.size() - header.data_offset);
  check_checksums(file, header);
  return header;
}

}  // namespace rapt::data::detail
