#pragma once

#include <cstdint>

namespace rapt {

/// One block of four 32-bit draws of Philox 4x32-10 (Salmon et al., "Parallel random numbers: as
/// easy as 1, 2, 3", SC 2011). The i-th draw is a function of (key, counter) alone, so any thread
/// can compute any part, and the numbers do not depend on how many threads there are.
struct PhiloxKey {
  uint64_t key = 0;      ///< from the seed
  uint64_t counter = 0;  ///< of the first block
};

}  // namespace rapt
