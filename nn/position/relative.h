#pragma once

#include "rapt/autograd/attention/score.h"
#include "rapt/nn/module.h"

/// Positions that attention sees as distances from a query to a key.
namespace rapt::nn {

/// i64 [queries + keys - 1]: the place of the key less that of the query, in the order of
/// Score::with_relative_bias, where the last query stands beside the last key. Below 0 are the keys
/// before.   With starts, i64 [B]: [B, queries + keys - 1], where the first query of sequence b
/// stands beside key starts[b], as in Mask::at.
Tensor relative_distances(int64_t queries, int64_t keys, const Tensor& starts = {});

struct RelativeBiasOptions {
  int64_t heads = 0;
  int64_t buckets = 32;        ///< even if both directions are told apart
  int64_t max_distance = 128;  ///< all that are as far share a bucket
  bool causal = false;         ///< all buckets for the keys before; those behind share the first
};

/// T5's relative positions (arXiv:1910.10683, section 2.1): a trained number for each head and
/// bucket of distances, added to the scores. Half of the buckets of a direction hold one distance
/// each, the others' widths grow up to max_distance.   -> [heads, queries + keys - 1], or, with
/// starts, [B, heads, queries + keys - 1]: see relative_distances
///
/// weight [buckets, heads], as T5's relative_attention_bias, starts normal with standard deviation
/// 0.02.
class RelativeBias : public Module {
 public:
  RelativeBias(const RelativeBiasOptions& options, Rng& rng);
  /// For Score::with_relative_bias.
  Tensor operator()(int64_t queries, int64_t keys, const Tensor& starts = {}) const;

  Tensor weight;

 private:
  Tensor buckets_of(const Tensor& distances) const;

  RelativeBiasOptions options_;
};

struct RelativeKeysOptions {
  int64_t head_width = 0;
  int64_t max_distance = 16;  ///< of what is told apart, to either side
};

/// Relative position representations (Shaw et al., arXiv:1803.02155, eq. 4): a trained vector for
/// each distance from -max_distance to max_distance, which is added to the key, for all heads
/// alike. Those that the paper adds to the values are left out, as it found them to change nothing.
///
/// weight [2 max_distance + 1, head_width] starts normal with standard deviation 0.02.
class RelativeKeys : public Module {
 public:
  RelativeKeys(const RelativeKeysOptions& options, Rng& rng);

  /// `score`, plus q . weight[distance] / sqrt(head_width): q . (k + weight[distance]) / sqrt(d) by
  /// default.   q [..., Tq, head_width], the one that attention is given; starts as in Mask::at
  Score operator()(const Tensor& q, const Score& score = {}, const Tensor& starts = {}) const;

  Tensor weight;
};

}  // namespace rapt::nn
