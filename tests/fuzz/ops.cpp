// Every function of ops.h with random arguments. Counts the calls of each that were accepted, and
// prints them at the end; with RAPT_FUZZ_COUNTS=FILE adds them to that file.

#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "check_call.h"

namespace rapt::fuzz {
namespace {

struct Count {
  int64_t accepted = 0, refused = 0;
};

std::vector<Count>& counts() {
  static std::vector<Count> all(tests::op_records().size());
  return all;
}

void print_counts() {
  const char* path = std::getenv("RAPT_FUZZ_COUNTS");
  std::FILE* file = path != nullptr ? std::fopen(path, "a") : stderr;
  if (file == nullptr) return;
  for (size_t i = 0; i < tests::op_records().size(); ++i) {
    std::fprintf(file, "%s\t%lld\t%lld\n", tests::op_records()[i].function.c_str(),
                 static_cast<long long>(counts()[i].accepted),
                 static_cast<long long>(counts()[i].refused));
  }
  if (file != stderr) std::fclose(file);
}

}  // namespace
}  // namespace rapt::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  rapt::set_num_threads(1);  // races are the thread sanitizer's; this leaves the other cores free
  rapt::fuzz::counts();
  std::atexit(rapt::fuzz::print_counts);
  return 0;
}

/// The bytes are the arguments of a few functions. Their sum says of which, so that each is called
/// as often as any other, whatever inputs libFuzzer prefers.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rapt::fuzz;
  constexpr size_t apart = 26;
  const size_t sum = std::accumulate(data, data + size, size_t{0});
  for (size_t which = sum % apart; which < rapt::tests::op_records().size(); which += apart) {
    const bool accepted = check_call(rapt::tests::op_records()[which], data, size);
    ++(accepted ? counts()[which].accepted : counts()[which].refused);
  }
  return 0;
}
