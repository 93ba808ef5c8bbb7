#pragma once

#include <optional>
#include <vector>

#include "rapt/nn/models/block.h"

namespace rapt::nn {

struct TransformerStackOptions {
  int64_t width = 0;
  int64_t layers = 2;
  TransformerBlockOptions block = {};  ///< its width is the stack's
  /// The windows of layer after layer, from the first again when they end; see
  /// MultiHeadAttentionOptions::window: {64, 64, 64, std::nullopt}.
  std::vector<std::optional<int64_t>> windows = {};
  std::optional<bool> final_norm = {};  ///< a norm behind the last block; unset: as block.pre_norm
  /// Keep only what enters each block, and run the blocks again in backward(): less memory, more
  /// time, the same bits.
  bool recompute = false;
};

/// Blocks, one after another; behind those with pre-norm comes a norm of their own.
/// x [B, T, width] -> the same
class TransformerStack : public Module {
 public:
  TransformerStack(const TransformerStackOptions& options, Rng& rng);
  Tensor operator()(const Tensor& x, const TransformerInputs& how = {}) const;

  /// With what a 0 and what is unset stand for in its place.
  const TransformerStackOptions& options() const { return options_; }

  /// GPT-2's start: maps are normal with that standard deviation, those that end a branch with it
  /// divided by the root of the number of branches; biases are 0.
  void initialize(double stddev, Rng& rng);

  std::vector<TransformerBlock> blocks;
  std::optional<Norm> norm;

 private:
  Tensor run(const TransformerBlock& block, const Tensor& x, const TransformerInputs& how,
             bool again) const;

  TransformerStackOptions options_;
};

}  // namespace rapt::nn
