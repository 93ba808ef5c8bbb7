// A program whose static objects use rapt while they are destroyed. Prints "done" and ends with 0.

#include <cstdio>
#include <cstring>

#include "rapt/rapt.h"

namespace {

using namespace rapt;

/// Products large enough for threads, tiles, and memory of every kind.
void work() {
  Rng rng(1);
  Tensor x = rng.normal({300, 200}).set_requires_grad();
  sum(gelu(matmul(x, transpose(x)))).backward();
  if (!isfinite(sum(x.grad())).values<bool>()[0]) std::abort();
}

struct Examples : data::Dataset {
  int64_t size() const override { return 1000; }
  NamedTensors get(int64_t i) const override {
    const Tensor x = Rng(static_cast<uint64_t>(i)).normal({300, 200});
    return {{"x", select(matmul(x, transpose(x)), 0, 0)}};
  }
};

struct WorksAtTheEnd {
  ~WorksAtTheEnd() {
    work();
    std::puts("done");
    std::fflush(stdout);
  }
};

}  // namespace

int main(int, char** argv) {
  static WorksAtTheEnd last;  // destroyed after whatever rapt makes from here on
  set_num_threads(4);
  if (std::strcmp(argv[1], "op") == 0) work();
  if (std::strcmp(argv[1], "loader") == 0) {
    static data::Loader loader(std::make_shared<Examples>(), {.batch_size = 2, .prefetch = 8});
    loader.next();
  }  // else nothing but at the end
}
