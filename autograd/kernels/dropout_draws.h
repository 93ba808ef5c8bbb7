#pragma once

#include <algorithm>
#include <cstdint>

#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/philox.h"
#include "rapt/autograd/philox_key.h"

namespace rapt::kernels {

/// Groups of draws that `count` elements take.
inline int64_t groups_of_draws(int64_t count) { return ceil_div(count, draws_per_group); }

/// f(i, kept) for i in [0, count): `kept` is false with probability p. The draws begin with the
/// group of that number after `at`.
template <class F>
void for_each_draw(double p, PhiloxKey at, int64_t first_group, int64_t count, F f) {
  const uint32_t threshold = static_cast<uint32_t>(p * 0x1p32);
  uint32_t draws[draws_per_group];
  for (int64_t from = 0; from < count; from += draws_per_group) {
    const int64_t group = first_group + from / draws_per_group;
    philox_group(at.key, at.counter + static_cast<uint64_t>(group * blocks_per_group), draws);
    const int64_t some = std::min(draws_per_group, count - from);
    for (int64_t i = 0; i < some; ++i) f(from + i, draws[i] >= threshold);
  }
}

}  // namespace rapt::kernels
