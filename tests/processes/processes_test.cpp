// A process may fork, exit and throw as it likes.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string_view>
#include <thread>

#include "../support/command.h"
#include "../support/tensors.h"
#include "rapt/rapt.h"

namespace rapt {
namespace {

using tests::WithThreads;

Tensor work(uint64_t seed) {
  Rng rng(seed);
  Tensor x = rng.normal({200, 150}).set_requires_grad();
  sum(gelu(matmul(x, transpose(x)))).backward();
  const Tensor y = rng.normal({60, 60}, 0, 1, Dtype::f64);  // OpenBLAS
  return x.grad() + sum(matmul(y, y)).to(Dtype::f32);
}

/// Runs f in a child; true when it returned true there within a minute.
bool in_child(FunctionRef<bool()> f) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    bool ok = false;
    try {
      ok = f();
    } catch (...) {
    }
    _exit(ok ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(Processes, AChildWorksAsItsParentDoes) {
  const WithThreads scope(4);
  const Tensor wanted = work(1);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(in_child([&] { return bool(tests::same_bits(work(1), wanted)); }));
    EXPECT_TRUE(tests::same_bits(work(1), wanted)) << "in the parent, afterwards";
  }
  EXPECT_TRUE(in_child([&] {
    set_num_threads(2);
    return in_child([&] { return bool(tests::same_bits(work(1), wanted)); });
  }));
}

// Whatever the other threads hold when the child is made, it is not held there.
TEST(Processes, AForkWhileOtherThreadsCompute) {
#ifdef RAPT_SANITIZED
  // Seen in the hung child: it waits for a lock of the sanitizer's allocator, which a thread of the
  // parent had taken.
  GTEST_SKIP() << "the sanitizers' allocator does not survive a fork among threads";
#endif
  const WithThreads scope(2);
  const Tensor wanted = work(1);
  std::atomic<bool> stop{false};
  std::vector<std::thread> others;
  for (uint64_t i = 0; i < 3; ++i) {
    others.emplace_back([&stop, i] {
      while (!stop) work(i);
    });
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(in_child([&] { return bool(tests::same_bits(work(1), wanted)); })) << i;
  }
  stop = true;
  for (std::thread& other : others) other.join();
}

struct Examples : data::Dataset {
  int64_t size() const override { return 100; }
  NamedTensors get(int64_t i) const override {
    return {{"x", full({20}, static_cast<double>(i)) * 2.0}};
  }
};

TEST(Processes, ALoaderGoesOnInTheChild) {
#ifdef RAPT_SANITIZED
  if (std::string_view(RAPT_SANITIZED) == "thread") {
    GTEST_SKIP() << "the thread sanitizer takes the loader's thread in the child for the parent's";
  }
#endif
  const data::LoaderOptions options{.batch_size = 4, .seed = 3, .prefetch = 3};
  data::Loader loader(std::make_shared<Examples>(), options);
  data::Loader same(std::make_shared<Examples>(), options);
  for (int i = 0; i < 5; ++i) {
    loader.next();
    same.next();
  }
  const Tensor wanted = same.next()["x"];
  EXPECT_TRUE(in_child([&] {
    const bool right = bool(tests::same_bits(loader.next()["x"], wanted));
    data::Loader moved = std::move(loader);  // and is destroyed there
    return right;
  }));
  EXPECT_TRUE(in_child([&] {
    data::Loader unused = std::move(loader);
    return true;
  }));
  EXPECT_TRUE(tests::same_bits(loader.next()["x"], wanted));
}

TEST(Processes, StaticObjectsMayUseRaptAtExit) {
  for (const char* what : {"op", "loader", "end"}) {
    for (int i = 0; i < 20; ++i) {
      const tests::CommandResult result =
          tests::run_command(std::string("timeout 60 ") + RAPT_AT_EXIT + " " + what + " 2>&1");
      ASSERT_EQ(result.status, 0) << what << ", run " << i << ": " << result.output;
      ASSERT_EQ(result.output, "done\n") << what << ", run " << i;
    }
  }
}

}  // namespace
}  // namespace rapt
