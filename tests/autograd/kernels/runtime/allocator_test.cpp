#include "rapt/autograd/kernels/runtime/allocator.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

namespace rapt::kernels {
namespace {

TEST(Allocator, BlocksAreAlignedAndWholeForAnySize) {
  const size_t before = blocks_in_use();
  std::vector<std::pair<unsigned char*, size_t>> blocks;
  std::vector<size_t> sizes = {0};
  for (size_t size = 1; size < (size_t{1} << 22); size = size * 3 / 2 + 1) sizes.push_back(size);
  for (const size_t edge : {64, 512, 1024, 2048, 4096, 65536}) {
    sizes.insert(sizes.end(), {edge - 1, edge, edge + 1});
  }
  for (const size_t size : sizes) {
    auto* block = static_cast<unsigned char*>(allocate(size));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 64, 0u) << size;
    std::memset(block, static_cast<int>(blocks.size() % 251), size);
    blocks.emplace_back(block, size);
  }
  EXPECT_EQ(blocks_in_use(), before + blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i) {  // no two overlap
    const auto [block, size] = blocks[i];
    for (size_t at = 0; at < size; ++at) ASSERT_EQ(block[at], i % 251) << size;
    release(block, size);
  }
  EXPECT_EQ(blocks_in_use(), before);
}

TEST(Allocator, ManySmallBlocksAreAllDistinct) {
  std::vector<uint32_t*> blocks;
  for (uint32_t i = 0; i < 5000; ++i) {
    blocks.push_back(static_cast<uint32_t*>(allocate(sizeof(uint32_t))));
    *blocks.back() = i;
  }
  for (uint32_t i = 0; i < 5000; ++i) {
    EXPECT_EQ(*blocks[i], i);
    release(blocks[i], sizeof(uint32_t));
  }
}

#ifndef RAPT_SANITIZED  // there, no block is kept: the sanitizer watches every one of them
TEST(Allocator, ABlockGivenBackIsHandedOutAgain) {
  for (const size_t size : {size_t{100}, size_t{100'000}}) {
    void* first = allocate(size);
    release(first, size);
    void* second = allocate(size);
    EXPECT_EQ(second, first);
    release(second, size);
  }
}
#endif

// Batches of changing length: what the lengths of before have left makes room. 2 GB in all, and
// never more held than the largest twice: once where it lies, and once in holes that are too small
// for it.
TEST(Allocator, SizesThatComeAndGoDoNotPileUp) {
  constexpr size_t megabyte = size_t{1} << 20;
  const size_t before = bytes_held();
  for (size_t size = megabyte; size <= 64 * megabyte; size += megabyte) {
    release(allocate(size), size);
  }
  EXPECT_LE(bytes_held(), before + 2 * 64 * megabyte);
}

TEST(Allocator, BlocksMayBeReleasedByAnotherThread) {
  const size_t before = blocks_in_use();
  std::vector<void*> blocks;
  for (int i = 0; i < 3000; ++i) blocks.push_back(allocate(200));
  std::thread([&] {
    for (void* block : blocks) release(block, 200);
  }).join();
  EXPECT_EQ(blocks_in_use(), before);
}

TEST(Allocator, ManyThreadsAtOnce) {
  const size_t before = blocks_in_use();
  std::atomic<int> spoilt{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&spoilt, t] {
      std::vector<std::pair<int*, size_t>> held;
      for (int i = 0; i < 5000; ++i) {
        const size_t size = static_cast<size_t>(i * 37 % 9000 + 4);
        auto* block = static_cast<int*>(allocate(size));
        *block = t * 100'000 + i;
        held.emplace_back(block, size);
        if (held.size() > 50) {
          for (size_t k = 0; k < held.size(); ++k) {
            const int wanted = t * 100'000 + i - static_cast<int>(held.size() - 1 - k);
            spoilt += *held[k].first != wanted;
            release(held[k].first, held[k].second);
          }
          held.clear();
        }
      }
      for (const auto& [block, size] : held) release(block, size);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(spoilt, 0);
  EXPECT_EQ(blocks_in_use(), before);
}

TEST(Allocator, AVectorMayUseIt) {
  const size_t before = blocks_in_use();
  {
    std::vector<double, PoolAllocator<double>> v;
    for (int i = 0; i < 1000; ++i) v.push_back(i);
    EXPECT_EQ(v[999], 999);
    EXPECT_EQ(blocks_in_use(), before + 1);
  }
  EXPECT_EQ(blocks_in_use(), before);
}

}  // namespace
}  // namespace rapt::kernels
