#include "rapt/autograd/kernels/runtime/allocator.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>

#include "rapt/autograd/error.h"
#include "rapt/autograd/kernels/runtime/arena.h"
#include "rapt/autograd/kernels/runtime/fork.h"

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

// Small blocks come in classes: multiples of the alignment.
constexpr size_t largest_small = 2048;
constexpr size_t class_count = largest_small / alignment;

size_t class_of(size_t bytes) { return bytes == 0 ? 0 : (bytes - 1) / alignment; }
size_t class_bytes(size_t index) { return (index + 1) * alignment; }

[[noreturn]] void fail_memory(size_t bytes) {
  fail("memory: wanted ", bytes, " bytes; got none (this machine has ", machine_memory() >> 20,
       " MiB)");
}

void* system_allocate(size_t bytes) {
  void* block = std::aligned_alloc(alignment, bytes);
  if (block == nullptr) fail_memory(bytes);
  return block;
}

/// A limit of cgroup v2, in bytes; the largest number where it does not say.
size_t cgroup_memory() {
  unsigned long long bytes = ~0ULL;
  if (FILE* file = std::fopen("/sys/fs/cgroup/memory.max", "r")) {
    if (std::fscanf(file, "%llu", &bytes) != 1) bytes = ~0ULL;  // "max"
    std::fclose(file);
  }
  return bytes;
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

/// Blocks in use, as far as one thread has taken and given them: below 0 in one that frees what
/// others made. A single counter would be fought over at every block.
struct alignas(alignment) Tally {
  std::atomic<int64_t> blocks{0};  // written by the thread that has taken it
  bool taken = false;
  Tally* next = nullptr;
};

// One tally for each living thread; a finished thread's is reused. Never destroyed, as the pool.
class Tallies {
 public:
  Tally* take() {
    const std::lock_guard lock(mutex_);
    Tally* tally = first_;
    while (tally != nullptr && tally->taken) tally = tally->next;
    if (tally == nullptr) {
      tally = new Tally;
      tally->next = first_;
      first_ = tally;
    }
    tally->taken = true;
    return tally;
  }
  void give(Tally* tally) {
    const std::lock_guard lock(mutex_);
    tally->taken = false;
  }
  void fork(ForkPhase phase) { phase == ForkPhase::before ? mutex_.lock() : mutex_.unlock(); }
  int64_t sum() {
    const std::lock_guard lock(mutex_);
    int64_t blocks = 0;
    for (const Tally* tally = first_; tally != nullptr; tally = tally->next) {
      blocks += tally->blocks.load(std::memory_order_relaxed);
    }
    return blocks;
  }

 private:
  std::mutex mutex_;
  Tally* first_ = nullptr;
};

Tallies& tallies() {
  static Tallies* instance = new Tallies;
  return *instance;
}

// What all threads share. Never destroyed: tensors may outlive every other static object.
class SharedPool {
 public:
  SharedPool() { handle_forks(); }
  void fork(ForkPhase phase) { phase == ForkPhase::before ? mutex_.lock() : mutex_.unlock(); }
  [[gnu::noinline]] void* take_small(size_t index) {
    {
      const std::lock_guard lock(mutex_);
      if (void* block = lists_[index].pop()) return block;
      small_bytes_ += class_bytes(index);
    }
    return system_allocate(class_bytes(index));
  }
  [[gnu::noinline]] void give_small(void* block, size_t index) noexcept {
    const std::lock_guard lock(mutex_);
    lists_[index].push(block);
  }
  [[gnu::noinline]] void* take_large(size_t bytes) {
    void* block = nullptr;
    if (bytes <= machine_memory()) {  // the system gives more, and ends the process when it is used
      const std::lock_guard lock(mutex_);
      block = arena_.take(bytes);
    }
    if (block == nullptr) fail_memory(bytes);
    return block;
  }
  [[gnu::noinline]] void give_large(void* block) noexcept {
    const std::lock_guard lock(mutex_);
    arena_.give(block);
  }

  size_t bytes_held() {
    const std::lock_guard lock(mutex_);
    return small_bytes_ + arena_.bytes_reached();
  }

 private:
  std::mutex mutex_;
  FreeList lists_[class_count];
  size_t small_bytes_ = 0;
  Arena arena_;
};

SharedPool& shared_pool() {
  static SharedPool* pool = new SharedPool;
  return *pool;
}

// Small blocks (handles, nodes, rules) stay with the thread that freed them: no lock.
class ThreadPool {
 public:
  static constexpr int most_per_class = 256;

  ThreadPool() { mine = this; }
  ~ThreadPool() {
    mine = nullptr;
    gone = true;
    tallies().give(tally_);
    for (size_t i = 0; i < class_count; ++i) {
      while (void* block = lists_[i].pop()) shared_pool().give_small(block, i);
    }
  }
  void* take(size_t index) { return lists_[index].pop(); }
  bool give(void* block, size_t index) {
    if (lists_[index].count >= most_per_class) return false;
    lists_[index].push(block);
    return true;
  }

  void count(int64_t blocks) {
    tally_->blocks.store(tally_->blocks.load(std::memory_order_relaxed) + blocks,
                         std::memory_order_relaxed);
  }

  /// This thread's own; null once the thread's statics are being destroyed.
  static ThreadPool* get() { return mine != nullptr || gone ? mine : make(); }

 private:
  static thread_local constinit ThreadPool* mine;
  static thread_local constinit bool gone;

  [[gnu::noinline]] static ThreadPool* make() {
    static thread_local ThreadPool pool;
    return &pool;
  }

  Tally* tally_ = tallies().take();
  FreeList lists_[class_count];
};

constinit thread_local ThreadPool* ThreadPool::mine = nullptr;
constinit thread_local bool ThreadPool::gone = false;

// Of threads whose statics are gone.
std::atomic<int64_t> in_use_late{0};

void count_in_use(ThreadPool* pool, int64_t blocks) {
  if (pool != nullptr) {
    pool->count(blocks);
  } else {
    in_use_late.fetch_add(blocks, std::memory_order_relaxed);
  }
}

void* take_block(ThreadPool* pool, size_t bytes) {
  if (!RAPT_POOL_BLOCKS) {
    if (bytes > machine_memory()) fail_memory(bytes);
    return system_allocate(class_bytes(class_of(bytes)));
  }
  if (bytes > largest_small) return shared_pool().take_large(bytes);
  const size_t index = class_of(bytes);
  if (pool != nullptr) {
    if (void* block = pool->take(index)) return block;
  }
  return shared_pool().take_small(index);
}

}  // namespace

void* allocate(size_t bytes) {
  ThreadPool* const pool = ThreadPool::get();
  void* const block = take_block(pool, bytes);
  count_in_use(pool, 1);
  return block;
}

void release(void* block, size_t bytes) noexcept {
  ThreadPool* const pool = ThreadPool::get();
  count_in_use(pool, -1);
  if (!RAPT_POOL_BLOCKS) return std::free(block);
  if (bytes > largest_small) return shared_pool().give_large(block);
  const size_t index = class_of(bytes);
  if (pool != nullptr && pool->give(block, index)) return;
  shared_pool().give_small(block, index);
}

void fork_memory(ForkPhase phase) {
  tallies().fork(phase);
  shared_pool().fork(phase);
}

size_t machine_memory() {
  static const size_t bytes = std::min(
      static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE)),
      cgroup_memory());
  return bytes;
}

size_t bytes_held() { return shared_pool().bytes_held(); }

size_t blocks_in_use() { return static_cast<size_t>(tallies().sum() + in_use_late.load()); }

}  // namespace rapt::kernels
