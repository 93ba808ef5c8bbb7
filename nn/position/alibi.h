#pragma once

#include "rapt/autograd/tensor.h"

namespace rapt::nn {

/// The slopes of ALiBi (arXiv:2108.12409, section 3), [heads]: 2^(-8 h / heads) for h from 1 on,
/// where heads is a power of 2; else those of the power below, then every other one of the power
/// above.
Tensor alibi_slopes(int64_t heads, Dtype dtype = Dtype::f32);

/// ALiBi as a relative bias, [heads, queries + keys - 1]: -slope * |distance|, where the last query
/// stands beside the last key; or, with starts, [B, heads, queries + keys - 1]: see
/// relative_distances.   slopes [heads]
///
///   attention(q, k, v, {.mask = Mask::causal(),
///                       .score = Score().with_relative_bias(nn::alibi(slopes, Tq, Tk))});
Tensor alibi(const Tensor& slopes, int64_t queries, int64_t keys, const Tensor& starts = {});

}  // namespace rapt::nn
