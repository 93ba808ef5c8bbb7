// The reader of metrics.jsonl on resume: what is there is refused and stays as it was, or ends in
// whole lines of steps that were done.

#include <fstream>
#include <iterator>

#include "rapt/autograd/error.h"
#include "rapt/training/metrics.h"
#include "scratch.h"

namespace {

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rapt;
  const std::string_view before = fuzz::view(data, size);
  const std::string path = fuzz::written("metrics.jsonl", before);
  constexpr int64_t step = 7;
  try {
    training::Metrics metrics(fuzz::scratch(), step);
    const std::string kept = contents(path);
    if (!before.starts_with(kept) || (!kept.empty() && kept.back() != '\n')) std::abort();
    metrics.write(step + 1, {{"loss", 0.5}});
    metrics.flush();
    if (!contents(path).starts_with(kept) || contents(path) == kept) std::abort();
  } catch (const Error&) {
    if (contents(path) != before) std::abort();
  }
  return 0;
}
