#pragma once

#include <cstdint>

namespace rapt::kernels {

/// A sum over tokens (or over the inner axis of a product) is a left fold over blocks of this many
/// terms, counted from the first: ((start + block 0) + block 1) + ..., where `start` is 0 or the
/// gradient that has arrived. So what is cut at whole blocks adds up to the same bits:
/// docs/same-bits.md. A power of two, to divide the batches that people use: 256 takes no more time
/// than 384 did, 128 takes 2 % more of a training step.
inline constexpr int64_t terms_per_block = 256;

}  // namespace rapt::kernels
