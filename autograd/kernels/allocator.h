#pragma once

#include <cstddef>

#include "rapt/autograd/pool.h"

namespace rapt::kernels {

/// A block of at least `bytes`, aligned to 64. Blocks given back are kept by the thread that gave
/// them and handed out again, so a training step that repeats itself asks the system for nothing.
void* allocate(size_t bytes);

/// Gives back a block of `bytes` as asked for in allocate. Any thread may.
void release(void* block, size_t bytes) noexcept;

/// The blocks in use now, over all threads. For leak tests.
size_t blocks_in_use();

/// What has been taken from the system and not given back to it: in use, or kept. For tests.
size_t bytes_held();

}  // namespace rapt::kernels
