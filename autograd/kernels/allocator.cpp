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

/// The bytes of the blocks of that class.
size_t class_bytes(int index) {
  if (index < steps_per_doubling) return static_cast<size_t>(index + 1) * alignment;
  const int shift = index / steps_per_doubling - 1;
  const int top = index % steps_per_doubling + steps_per_doubling + 1;
  return (static_cast<size_t>(top) << shift) * alignment;
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

/// Blocks in use, as far as one thread has taken and given them: below 0 in one that frees what
/// others made. A single counter would be fought over at every block.
struct alignas(alignment) Tally {
  std::atomic<int64_t> blocks{0};  // written by the thread that has taken it
  bool taken = false;
  Tally* next = nullptr;
};

// One tally for each thread that is alive; that of a thread which ends goes on in another's hands.
// Never destroyed, as the pool.
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
  [[gnu::noinline]] void* take(SizeClass size) {
    {
      const std::lock_guard lock(mutex_);
      last_use_[size.index] = ++uses_;
      if (void* block = lists_[size.index].pop()) {
        kept_bytes_ -= size.bytes;
        return block;
      }
      total_bytes_ += size.bytes;
      most_used_bytes_ = std::max(most_used_bytes_, total_bytes_ - kept_bytes_);
      make_room();
    }
    return system_allocate(size.bytes);
  }

  [[gnu::noinline]] void give(void* block, SizeClass size) noexcept {
    const std::lock_guard lock(mutex_);
    last_use_[size.index] = ++uses_;
    lists_[size.index].push(block);
    kept_bytes_ += size.bytes;
  }

  size_t bytes_held() {
    const std::lock_guard lock(mutex_);
    return total_bytes_;
  }

 private:
  // Sizes that come and go (batches of changing length) must not pile up: what is held in all stays
  // within half above what was ever needed at one time. The half is for steps that repeat
  // themselves: they need more of one size here and of another there, a fifth in all as measured.
  void make_room() noexcept {
    const size_t limit = most_used_bytes_ + most_used_bytes_ / 2;
    while (kept_bytes_ > 0 && total_bytes_ > limit) {
      int oldest = -1;  // the size with blocks to spare that was left alone for longest
      for (int i = 0; i < class_count; ++i) {
        if (lists_[i].head == nullptr) continue;
        if (oldest < 0 || last_use_[i] < last_use_[oldest]) oldest = i;
      }
      const size_t bytes = class_bytes(oldest);
      while (lists_[oldest].head != nullptr && total_bytes_ > limit) {
        std::free(lists_[oldest].pop());
        kept_bytes_ -= bytes;
        total_bytes_ -= bytes;
      }
    }
  }

  std::mutex mutex_;
  FreeList lists_[class_count];
  uint64_t last_use_[class_count] = {};  // of each size: the number of that use
  uint64_t uses_ = 0;
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
  static constexpr int most_per_class = 256;

  ThreadPool() { mine = this; }
  ~ThreadPool() {
    mine = nullptr;
    gone = true;
    tallies().give(tally_);
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
  FreeList lists_[steps_per_doubling * 4];
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

}  // namespace

void* allocate(size_t bytes) {
  ThreadPool* const pool = ThreadPool::get();
  count_in_use(pool, 1);
  const SizeClass size = size_class(bytes);
  if (!RAPT_POOL_BLOCKS) return system_allocate(size.bytes);
  if (size.bytes <= ThreadPool::largest && pool != nullptr) {
    if (void* block = pool->take(size)) return block;
  }
  return shared_pool().take(size);
}

void release(void* block, size_t bytes) noexcept {
  ThreadPool* const pool = ThreadPool::get();
  count_in_use(pool, -1);
  const SizeClass size = size_class(bytes);
  if (!RAPT_POOL_BLOCKS) return std::free(block);
  if (size.bytes <= ThreadPool::largest && pool != nullptr && pool->give(block, size)) return;
  shared_pool().give(block, size);
}

size_t bytes_held() { return shared_pool().bytes_held(); }

size_t blocks_in_use() { return static_cast<size_t>(tallies().sum() + in_use_late.load()); }

}  // namespace rapt::kernels
