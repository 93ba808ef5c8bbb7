#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rapt/nn/forward_hook.h"
#include "rapt/nn/module.h"

namespace rapt::nn {

struct LoRAOptions {
  int64_t rank = 8;
  double alpha = 16;  ///< what is added is scaled by alpha / rank
  /// Which Linear layers are adapted: patterns of their paths, as freeze() has them.
  std::vector<std::string> layers = {"*.query", "*.value"};
};

/// Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685): beside the weight of some Linear layers,
/// two small matrices are trained in its place,
///
///   y = x W^T + b + alpha / rank (x A^T) B^T        A [rank, in], B [out, rank]
///
/// B is 0 at first, so that training begins from the model as it is. The model itself is not
/// changed, nor its code:
///
///   nn::freeze(model);
///   nn::LoRA lora(model, {.rank = 4}, rng);
///   optim::AdamW optimizer(lora.parameters(), {...});
///   {
///     const nn::ForwardHook adapted = lora.adapt(model);
///     ...                                       // train, or use it, as ever
///   }
///   data::save_safetensors("adapter.safetensors", lora.parameters());
///   lora.merge();                               // from now on a model like any other
///
/// The parameters are called by the layer: "blocks.0.attention.query.A" and ".B".
class LoRA : public Module {
 public:
  /// Throws when a pattern fits no layer with a weight [out, in], or an option is out of range.
  LoRA(const Module& model, const LoRAOptions& options, Rng& rng);

  /// While it lives, this thread's calls of the model are adapted; see ForwardHook. The model has
  /// to be the one that this was made for, or one of the same layers. An error when it is merged.
  [[nodiscard]] ForwardHook adapt(const Module& model) const;

  /// Adds what is learnt to the weights of the model that this was made for, which needs it no
  /// longer. An error when that has been done.
  void merge();
  /// Puts the weights back as they were, to the bit.
  void unmerge();

  const LoRAOptions& options() const { return options_; }

 private:
  struct Adapted {
    std::string path;
    Tensor weight;  // the model's
    Tensor a, b;
  };
  double scale() const { return options_.alpha / static_cast<double>(options_.rank); }

  LoRAOptions options_;
  std::vector<Adapted> layers_;
  std::vector<Tensor> before_;  // the weights, while it is merged
};

}  // namespace rapt::nn
