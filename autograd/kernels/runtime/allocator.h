#pragma once

#include <cstddef>

#include "rapt/autograd/pool.h"  // allocate, release, PoolAllocator

namespace rapt::kernels {

/// The blocks in use now, over all threads. For leak tests.
size_t blocks_in_use();

/// The bytes that this machine, or the control group of this process, has in all.
size_t machine_memory();

/// What has been taken from the system and not given back to it: in use, or kept. For tests.
size_t bytes_held();

}  // namespace rapt::kernels
