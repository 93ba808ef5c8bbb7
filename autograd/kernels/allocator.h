#pragma once

#include <cstddef>

namespace rapt::kernels {

/// A block of at least `bytes`, aligned to 64. Blocks given back are kept by the thread that gave
/// them and handed out again, so a training step that repeats itself asks the system for nothing.
void* allocate(size_t bytes);

/// Gives back a block of `bytes` as asked for in allocate. Any thread may.
void release(void* block, size_t bytes) noexcept;

/// For the small objects of the graph (nodes, handles, rules).
template <class T>
struct PoolAllocator {
  using value_type = T;
  PoolAllocator() = default;
  template <class U>
  PoolAllocator(const PoolAllocator<U>&) {}
  T* allocate(size_t n) { return static_cast<T*>(kernels::allocate(n * sizeof(T))); }
  void deallocate(T* p, size_t n) noexcept { kernels::release(p, n * sizeof(T)); }
  template <class U>
  bool operator==(const PoolAllocator<U>&) const {
    return true;
  }
};

/// The blocks in use now, over all threads. For leak tests.
size_t blocks_in_use();

}  // namespace rapt::kernels
