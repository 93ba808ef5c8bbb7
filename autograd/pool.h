#pragma once

#include <cstddef>
#include <vector>

namespace rapt {

namespace kernels {

/// A block of at least `bytes`, aligned to 64. Blocks given back are kept and handed out again, so
/// a training step that repeats itself asks the system for nothing.
void* allocate(size_t bytes);

/// Gives back a block of `bytes` as asked for in allocate. Any thread may.
void release(void* block, size_t bytes) noexcept;

}  // namespace kernels

/// Memory from rapt's pool, for containers that come and go in every training step: what one step
/// gives back, the next one gets. No state; the containers may travel between threads.
template <class T>
struct PoolAllocator {
  static_assert(alignof(T) <= 64);
  using value_type = T;
  PoolAllocator() = default;
  template <class U>
  PoolAllocator(const PoolAllocator<U>&) {}
  // NOLINTBEGIN(bugprone-sizeof-expression): T may well be a pointer.
  T* allocate(size_t n) { return static_cast<T*>(kernels::allocate(n * sizeof(T))); }
  void deallocate(T* p, size_t n) noexcept { kernels::release(p, n * sizeof(T)); }
  // NOLINTEND(bugprone-sizeof-expression)
  template <class U>
  bool operator==(const PoolAllocator<U>&) const {
    return true;
  }
};

template <class T>
using PoolVector = std::vector<T, PoolAllocator<T>>;

}  // namespace rapt
