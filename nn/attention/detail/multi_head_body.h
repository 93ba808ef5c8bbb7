#pragma once

#include <cstdint>
#include <vector>

#include "rapt/nn/attention/multi_head.h"

namespace rapt::nn {

/// What copies of a layer share, as they share its tensors: keep_heads changes it for all.
struct MultiHeadAttention::Body {
  MultiHeadAttentionOptions options;
  std::vector<int64_t> kept_heads;
};

}  // namespace rapt::nn
