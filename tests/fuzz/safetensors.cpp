// The reader of safetensors: bytes of any kind are refused or, if taken, are saved and read as the
// same. The input is the header; its length is made right.

#include "rapt/data/safetensors.h"
#include "rapt/autograd/error.h"
#include "rapt/data/inspect.h"
#include "scratch.h"
#include "tensor_file.h"

namespace {

/// The header up to its last brace, and the rest as elements.
std::string safetensors_of(std::string_view body) {
  const size_t brace = body.rfind('}');
  const uint64_t header = brace == std::string_view::npos ? body.size() : brace + 1;
  std::string file(reinterpret_cast<const char*>(&header), 8);
  return file.append(body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rapt;
  const std::string path = fuzz::written("in.safetensors", safetensors_of(fuzz::view(data, size)));
  try {
    data::inspect(path);
  } catch (const Error&) {
  }
  try {
    const NamedTensors read = data::load_safetensors(path);
    const std::string again = fuzz::scratch() + "again.safetensors";
    data::save_safetensors(again, read);
    fuzz::require_same(read, data::load_safetensors(again));
  } catch (const Error&) {
  }
  return 0;
}
