#pragma once

#include "rapt/nn/linear.h"

namespace rapt::nn {

struct SelfAttentionOptions {
  /// False leaves the maps `values`, `keys` and `queries` unused.
  bool maps = true;
};

/// The self-attention layer of the document that rapt grew from, there a PyTorch class of this
/// name: the worked example of a custom layer.
///
/// The heads are slices of the input, and all heads share one map each for values, keys and
/// queries: head_dim x head_dim, without bias. Scores are divided by sqrt(embed_size). A masked
/// score is -1e20, so a query that may attend to nothing spreads its weight evenly over all keys
/// (rapt's own MultiHeadAttention gives 0 there).
///
/// The document's text applies the three maps; its code makes them and then does not. The default
/// follows the text, {.maps = false} the letter of the code.
class SelfAttention : public Module {
 public:
  /// Throws when embed_size is not divisible by heads.
  SelfAttention(int64_t embed_size, int64_t heads, Rng& rng, SelfAttentionOptions options = {});

  /// value and key [N, Tk, embed_size], query [N, Tq, embed_size] -> as the query
  /// mask b8 [N, heads, Tq, Tk], 1 where all share it (true = may attend), or undefined
  Tensor operator()(const Tensor& value, const Tensor& key, const Tensor& query,
                    const Tensor& mask = {}) const;

  Linear values, keys, queries;  ///< [head_dim, head_dim]
  Linear fc_out;                 ///< [embed_size, embed_size], with bias

 private:
  Tensor attend(const Tensor& value, const Tensor& key, const Tensor& query,
                const Tensor& mask) const;

  int64_t heads_;
  bool maps_;
};

}  // namespace rapt::nn
