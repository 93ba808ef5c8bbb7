// Linked into a program, this file takes the place of the C library's malloc (and, under the
// sanitizers, of operator new): it counts, and lets the real one do the work.
#include "allocations.h"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<int64_t> allocations{0};

void count() { allocations.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

namespace rapt::tests {

int64_t heap_allocations() { return allocations.load(std::memory_order_relaxed); }

}  // namespace rapt::tests

#ifndef RAPT_SANITIZED

extern "C" {

// glibc's own, under the names that it keeps for those who replace the public ones.
// NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming)
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t n, size_t bytes);
void* __libc_realloc(void* block, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
// NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming)

void* malloc(size_t bytes) {
  count();
  return __libc_malloc(bytes);
}

void* calloc(size_t n, size_t bytes) {
  count();
  return __libc_calloc(n, bytes);
}

void* realloc(void* block, size_t bytes) {
  count();
  return __libc_realloc(block, bytes);
}

void* memalign(size_t alignment, size_t bytes) {
  count();
  return __libc_memalign(alignment, bytes);
}

void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

int posix_memalign(void** block, size_t alignment, size_t bytes) {
  void* made = memalign(alignment, bytes);
  if (made == nullptr) return ENOMEM;
  *block = made;
  return 0;
}

}  // extern "C"

#else

namespace {

// Blocks of either kind are given back by free.
void* counted(size_t bytes, size_t alignment = alignof(std::max_align_t)) {
  count();
  const size_t whole = (bytes + alignment - 1) / alignment * alignment;
  return std::aligned_alloc(alignment, whole == 0 ? alignment : whole);
}

void* counted_or_throw(size_t bytes, size_t alignment = alignof(std::max_align_t)) {
  void* block = counted(bytes, alignment);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

size_t number(std::align_val_t alignment) { return static_cast<size_t>(alignment); }

}  // namespace

using std::align_val_t;
using std::nothrow_t;

void* operator new(size_t n) { return counted_or_throw(n); }
void* operator new[](size_t n) { return counted_or_throw(n); }
void* operator new(size_t n, align_val_t a) { return counted_or_throw(n, number(a)); }
void* operator new[](size_t n, align_val_t a) { return counted_or_throw(n, number(a)); }
void* operator new(size_t n, const nothrow_t&) noexcept { return counted(n); }
void* operator new[](size_t n, const nothrow_t&) noexcept { return counted(n); }
void* operator new(size_t n, align_val_t a, const nothrow_t&) noexcept {
  return counted(n, number(a));
}
void* operator new[](size_t n, align_val_t a, const nothrow_t&) noexcept {
  return counted(n, number(a));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t) noexcept { std::free(p); }
void operator delete(void* p, align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, align_val_t) noexcept { std::free(p); }
void operator delete(void* p, size_t, align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t, align_val_t) noexcept { std::free(p); }
void operator delete(void* p, const nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const nothrow_t&) noexcept { std::free(p); }
void operator delete(void* p, align_val_t, const nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, align_val_t, const nothrow_t&) noexcept { std::free(p); }

#endif
