#pragma once

#include "rapt/autograd/ops.h"
#include "rapt/nn/decoding/token_model.h"

namespace rapt::tests {

/// Small, and loud: tokens whose logits differ.
inline nn::DecoderOnly decoder(uint64_t seed, int64_t context = 12) {
  Rng rng(seed);
  return nn::DecoderOnly({.vocabulary = 7,
                          .context = context,
                          .width = 16,
                          .block = {.attention = {.heads = 2}},
                          .stddev = 0.5},
                         rng);
}

inline nn::EncoderDecoder encoder_decoder(uint64_t seed) {
  Rng rng(seed);
  return nn::EncoderDecoder({.source = {.vocabulary = 9, .context = 8},
                             .target = {.vocabulary = 7, .context = 10},
                             .width = 16,
                             .block = {.attention = {.heads = 2}},
                             .stddev = 0.5},
                            rng);
}

/// The same logits whatever came before.
inline nn::TokenModel constant(const std::vector<double>& logits) {
  return nn::TokenModel([logits](const Tensor& ids) {
    const auto n = static_cast<int64_t>(logits.size());
    return expand(from_values(logits, {1, 1, n}), {ids.size(0), ids.size(1), n});
  });
}

}  // namespace rapt::tests
