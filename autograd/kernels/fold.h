#pragma once

#include <algorithm>
#include <cstdint>

namespace rapt::kernels {

/// A sum over tokens (or over the inner axis of a product) is a left fold over blocks of this many
/// terms, counted from the first: ((start + block 0) + block 1) + ..., where `start` is 0 or the
/// gradient that has arrived. So what is cut at whole blocks adds up to the same bits:
/// docs/same-bits.md. A power of two, to divide the batches that people use: 256 takes no more time
/// than 384 did, 128 takes 2 % more of a training step.
inline constexpr int64_t terms_per_block = 256;

/// Rows that one thread adds up at a time where rows are summed: a block is the left fold of its
/// shares. Threads thus read the rows that they wrote.
inline constexpr int64_t rows_per_share = 64;
static_assert(terms_per_block % rows_per_share == 0);

/// out [n] += the left fold over blocks of `per_block` shares. sums: n columns for each share,
/// `step` apart.
template <class T>
void fold_shares(const T* sums, int64_t shares, int64_t per_block, int64_t step, int64_t n,
                 T* out) {
  for (int64_t first = 0; first < shares; first += per_block) {
    const int64_t some = std::min(per_block, shares - first);
    for (int64_t i = 0; i < n; ++i) {
      const T* at = sums + first * step + i;
      T block = *at;
      for (int64_t share = 1; share < some; ++share) block += at[share * step];
      out[i] += block;
    }
  }
}

}  // namespace rapt::kernels
