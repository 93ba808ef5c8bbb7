#pragma once

#include <cstdint>

namespace rapt::tests {

/// How often this program has asked for heap memory so far, on all threads: whatever ends in
/// malloc, calloc, realloc, aligned_alloc, posix_memalign or memalign, so operator new too, and the
/// C libraries. Under the sanitizers, which have a malloc of their own, operator new alone.
int64_t heap_allocations();

}  // namespace rapt::tests
