#include "rapt/autograd/kernels/allocator.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

// Under the address sanitizer every block comes from and returns to the system, so that it sees
// every use after release.
#if defined(__SANITIZE_ADDRESS__)
#define RAPT_POOL_BLOCKS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RAPT_POOL_BLOCKS 0
#endif
#endif
#ifndef RAPT_POOL_BLOCKS
#define RAPT_POOL_BLOCKS 1
#endif

namespace rapt::kernels {
namespace {

constexpr size_t alignment = 64;

// Blocks come in classes: 8 sizes per power of two, so at most an eighth of a block is wasted.
constexpr int steps_per_doubling = 8;
constexpr int class_count = steps_per_doubling * 58;

struct SizeClass {
  int index;
  size_t bytes;
};

SizeClass size_class(size_t bytes) {
  const size_t units = std::max<size_t>((bytes + alignment - 1) / alignment, 1);
  if (units <= steps_per_doubling) return {static_cast<int>(units) - 1, units * alignment};
  const int shift = std::bit_width(units - 1) - 4;  // keep the top four bits: 8 ... 15
  const size_t top = ((units - 1) >> shift) + 1;    // 9 ... 16 steps of 2^shift units
  return {steps_per_doubling * (shift + 1) + static_cast<int>(top) - steps_per_doubling - 1,
          (top << shift) * alignment};
}

void* system_allocate(size_t bytes) {
  void* block = std::aligned_alloc(alignment, bytes);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

struct FreeBlock {
  FreeBlock* next;
};

struct FreeList {
  FreeBlock* head = nullptr;
  int count = 0;

  void push(void* block) {
    head = new (block) FreeBlock{head};
    ++count;
  }
  void* pop() {
    FreeBlock* block = head;
    if (block == nullptr) return nullptr;
    head = block->next;
    --count;
    return block;
  }
};

std::atomic<size_t> in_use{0};

// What all threads share. Never destroyed: tensors may outlive every other static object.
class SharedPool {
 public:
  void* take(SizeClass size) {
    {
      const std::lock_guard lock(mutex_);
      if (void* block = lists_[size.index].pop()) {
        kept_bytes_ -= size.bytes;
        return block;
      }
      total_bytes_ += size.bytes;
      most_used_bytes_ = std::max(most_used_bytes_, total_bytes_ - kept_bytes_);
    }
    return system_allocate(size.bytes);
  }

  void give(void* block, SizeClass size) noexcept {
    {
      const std::lock_guard lock(mutex_);
      // Sizes that come and go (batches of changing length) must not pile up: what is held in all
      // stays within a quarter above what was ever needed at one time.
      if (total_bytes_ <= most_used_bytes_ + most_used_bytes_ / 4) {
        lists_[size.index].push(block);
        kept_bytes_ += size.bytes;
        return;
      }
      total_bytes_ -= size.bytes;
    }
    std::free(block);
  }

 private:
  std::mutex mutex_;
  FreeList lists_[class_count];
  size_t total_bytes_ = 0;      // taken from the system and not given back to it
  size_t kept_bytes_ = 0;       // of these, waiting here
  size_t most_used_bytes_ = 0;  // the most that was ever outside at one time
};

SharedPool& shared_pool() {
  static SharedPool* pool = new SharedPool;
  return *pool;
}

// Small blocks (handles, nodes, rules) stay with the thread that freed them: no lock.
class ThreadPool {
 public:
  static constexpr size_t largest = 2048;
  static constexpr int most_per_class = 1024;

  ~ThreadPool() {
    alive = false;
    for (size_t bytes = alignment; bytes <= largest; bytes += alignment) {
      const SizeClass size = size_class(bytes);
      while (void* block = lists_[size.index].pop()) shared_pool().give(block, size);
    }
  }
  void* take(SizeClass size) { return lists_[size.index].pop(); }
  bool give(void* block, SizeClass size) {
    if (lists_[size.index].count >= most_per_class) return false;
    lists_[size.index].push(block);
    return true;
  }

  static thread_local bool alive;  // false once the thread's statics are being destroyed

 private:
  FreeList lists_[steps_per_doubling * 4];
};

thread_local bool ThreadPool::alive = true;
thread_local ThreadPool thread_pool;

}  // namespace

void* allocate(size_t bytes) {
  in_use.fetch_add(1, std::memory_order_relaxed);
  const SizeClass size = size_class(bytes);
  if (!RAPT_POOL_BLOCKS) return system_allocate(size.bytes);
  if (size.bytes <= ThreadPool::largest && ThreadPool::alive) {
    if (void* block = thread_pool.take(size)) return block;
  }
  return shared_pool().take(size);
}

void release(void* block, size_t bytes) noexcept {
  in_use.fetch_sub(1, std::memory_order_relaxed);
  const SizeClass size = size_class(bytes);
  if (!RAPT_POOL_BLOCKS) return std::free(block);
  if (size.bytes <= ThreadPool::largest && ThreadPool::alive && thread_pool.give(block, size)) {
    return;
  }
  shared_pool().give(block, size);
}

size_t blocks_in_use() { return in_use.load(std::memory_order_relaxed); }

}  // namespace rapt::kernels
