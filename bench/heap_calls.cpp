// The program's own malloc and its kin, which take the place of glibc's for all libraries of the
// process, count the call, and pass it on. free stays glibc's.
#include "heap_calls.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(RAPT_SANITIZED)

namespace {

std::atomic<int64_t> calls{0};

void count() { calls.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

namespace bench {

int64_t heap_calls() { return calls.load(std::memory_order_relaxed); }

}  // namespace bench

extern "C" {

// glibc keeps its own under these names for those who replace the public ones.
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t n, size_t bytes);
void* __libc_realloc(void* block, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);

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

int64_t bench::heap_calls() { return -1; }

#endif
