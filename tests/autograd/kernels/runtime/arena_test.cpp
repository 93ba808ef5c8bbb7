#include "rapt/autograd/kernels/runtime/arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <random>
#include <vector>

namespace rapt::kernels {
namespace {

constexpr size_t kilobyte = 1024, megabyte = kilobyte * kilobyte;

TEST(Arena, BlocksAreAlignedWholeAndTheirOwn) {
  Arena arena;
  std::mt19937 random(1);
  struct Block {
    unsigned char* bytes;
    size_t size;
    unsigned char mark;
  };
  std::vector<Block> blocks;
  const auto check_and_drop = [&](size_t i) {
    const Block b = blocks[i];
    for (size_t at = 0; at < b.size; ++at) ASSERT_EQ(b.bytes[at], b.mark) << "of " << b.size;
    arena.give(b.bytes);
    blocks[i] = blocks.back();
    blocks.pop_back();
  };
  for (int step = 0; step < 4000; ++step) {
    const size_t size = random() % (random() % 20 == 0 ? megabyte : 20 * kilobyte) + 1;
    auto* bytes = static_cast<unsigned char*>(arena.take(size));
    ASSERT_EQ(reinterpret_cast<uintptr_t>(bytes) % 64, 0u);
    blocks.push_back({bytes, size, static_cast<unsigned char>(step)});
    std::memset(bytes, step, size);
    while (blocks.size() > 60 || (!blocks.empty() && random() % 3 == 0)) {
      check_and_drop(random() % blocks.size());
    }
  }
  while (!blocks.empty()) check_and_drop(0);
}

TEST(Arena, TheSameBlockServesTheSameSizeAgain) {
  Arena arena;
  void* const first = arena.take(300 * kilobyte);
  void* const behind = arena.take(5 * kilobyte);  // so that it stays what it is
  arena.give(first);
  EXPECT_EQ(arena.take(300 * kilobyte), first);
  arena.give(behind);
}

// Activations that are done with make room for gradients of other sizes.
TEST(Arena, NeighboursThatAreFreeServeAnySize) {
  Arena arena;
  std::vector<void*> blocks;
  for (int i = 0; i < 32; ++i) blocks.push_back(arena.take(megabyte));
  const size_t reached = arena.bytes_reached();
  for (const int i : {5, 7, 6, 4}) arena.give(blocks[static_cast<size_t>(i)]);  // in any order
  void* const large = arena.take(4 * megabyte);
  std::vector<void*> small;
  arena.give(large);
  for (int i = 0; i < 16; ++i) small.push_back(arena.take(megabyte / 4 - kilobyte));
  EXPECT_EQ(arena.bytes_reached(), reached);
}

TEST(Arena, SizesThatComeAndGoDoNotPileUp) {
  Arena arena;
  void* const small = arena.take(kilobyte);  // stays all the while
  for (size_t size = megabyte; size <= 400 * megabyte; size += 3 * megabyte) {
    arena.give(arena.take(size));
    EXPECT_LE(arena.bytes_reached(), size + 65 * megabyte);
  }
  arena.give(small);
}

TEST(Arena, GrowsAsItHasTo) {
  Arena arena;
  std::vector<void*> blocks;
  for (const size_t size : {megabyte, 70 * megabyte, 200 * megabyte, 3 * megabyte}) {
    blocks.push_back(arena.take(size));
    std::memset(blocks.back(), 1, kilobyte);
  }
  EXPECT_GE(arena.bytes_reached(), 274 * megabyte);
  EXPECT_LE(arena.bytes_reached(), 275 * megabyte);
  for (void* block : blocks) arena.give(block);
}

TEST(Arena, SaysWhenThereIsNoMemory) {
  Arena arena;
  for (const size_t size : {size_t{1} << 60, ~size_t{0}}) {
    EXPECT_EQ(arena.take(size), nullptr);
  }
  arena.give(arena.take(megabyte));  // and goes on
}

}  // namespace
}  // namespace rapt::kernels
