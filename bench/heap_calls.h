#pragma once

#include <cstdint>

namespace bench {

/// How often the program, with all its threads and libraries, has called malloc, calloc, realloc,
/// aligned_alloc, posix_memalign or memalign so far; operator new ends in one of them. -1 where
/// they are not counted: under the address sanitizer, which has a malloc of its own, and without
/// glibc.
int64_t heap_calls();

}  // namespace bench
