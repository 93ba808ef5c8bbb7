#pragma once

#include <optional>
#include <vector>

#include "rapt/nn/models/block.h"
#include "rapt/nn/models/token_embedding.h"

namespace rapt::nn {

/// Of a model with one stack of blocks: DecoderOnly, Encoder, and what is built on an Encoder.
struct TransformerOptions {
  int64_t vocabulary = 0;
  int64_t context = 0;  ///< the longest sequence, in tokens; 0 for any, without learned or
                        ///< sinusoidal positions
  int64_t width = 64;
  int64_t layers = 2;
  /// Whoever gives a block gives its heads too.
  TransformerBlockOptions block = {.attention = {.heads = 4}};
  double dropout = 0;  ///< of embeddings, and of each part that has none of its own
  /// Unset: learned, or none if block.attention knows where tokens stand.
  std::optional<Positions> positions = {};
  std::vector<std::optional<int64_t>> windows = {};  ///< see TransformerStackOptions
  std::optional<bool> final_norm = {};               ///< likewise
  bool tie_weights = false;  ///< the head uses the embedding of the tokens (arXiv:1608.05859)
  double stddev = 0.02;      ///< of the initial weights: see TransformerStack::initialize
  bool recompute = false;    ///< see TransformerStackOptions
};

}  // namespace rapt::nn
