#pragma once

#include "rapt/autograd/ops/rotary.h"
#include "rapt/nn/position/relative.h"

namespace rapt::nn {

/// How attention itself knows where tokens stand, as a value:
///
///   .positions = nn::AttentionPositions::rotary({.base = 500000})
struct AttentionPositions {
  enum class Kind { none, rotary, alibi, relative_bias, relative_keys };

  /// Queries and keys are turned. Places and offset come from the call.
  static AttentionPositions rotary(const RotaryOptions& options = {}) {
    return {.kind = Kind::rotary, .rotary_options = options};
  }
  /// A slope for each head, which is not trained: see alibi.
  static AttentionPositions alibi() { return {.kind = Kind::alibi}; }
  /// T5's: see RelativeBias.
  static AttentionPositions relative_bias(int64_t buckets = 32, int64_t max_distance = 128) {
    return {.kind = Kind::relative_bias, .buckets = buckets, .max_distance = max_distance};
  }
  /// Shaw's: see RelativeKeys.
  static AttentionPositions relative_keys(int64_t max_distance = 16) {
    return {.kind = Kind::relative_keys, .max_distance = max_distance};
  }

  Kind kind = Kind::none;
  RotaryOptions rotary_options = {};
  int64_t buckets = 32, max_distance = 128;
};

}  // namespace rapt::nn
