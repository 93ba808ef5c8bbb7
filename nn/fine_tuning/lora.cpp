#include "rapt/nn/fine_tuning/lora.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "rapt/autograd/create.h"
#include "rapt/autograd/error.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/fine_tuning/detail/patterns.h"

namespace rapt::nn {

LoRA::LoRA(const Module& model, const LoRAOptions& options, Rng& rng) : options_(options) {
  if (options.rank < 1) fail("LoRA: wanted a rank of at least 1; got ", options.rank);
  if (!std::isfinite(options.alpha)) fail("LoRA: wanted a finite alpha; got ", options.alpha);
  const NamedTensors weights = model.parameters();
  std::vector<std::string> paths;
  for (const std::string& path : model.layer_paths()) {
    if (weights.contains(path + ".weight") && weights[path + ".weight"].rank() == 2) {
      paths.push_back(path);
    }
  }
  for (const std::string& path : detail::fitting("LoRA", "layer", options.layers, paths)) {
    const Tensor weight = weights[path + ".weight"];
    const int64_t out = weight.size(0), in = weight.size(1);
    const double bound = 1 / std::sqrt(static_cast<double>(in));  // as a Linear layer begins
    layers_.push_back(
        {path, weight,
         parameter(path + ".A", rng.uniform({options.rank, in}, -bound, bound, weight.dtype())),
         parameter(path + ".B", zeros({out, options.rank}, weight.dtype()))});
  }
}

ForwardHook LoRA::adapt(const Module& model) const {
  if (!before_.empty()) fail("LoRA::adapt: wanted one that is not merged; got one that is");
  return ForwardHook(model, [layers = layers_, scale = scale()](const LayerCall& call) -> Tensor {
    const auto found = std::ranges::find(layers, call.path, &Adapted::path);
    if (found == layers.end()) return {};
    if (!is_float(call.input.dtype())) {
      fail("LoRA: wanted Linear layers; got ", call.path, ", whose input is ", call.input.dtype());
    }
    return call.output + scale * linear(linear(call.input, found->a), found->b);
  });
}

void LoRA::merge() {
  if (!before_.empty()) fail("LoRA::merge: wanted one that is not merged; got one that is");
  const NoGrad no_grad;
  for (Adapted& layer : layers_) {
    before_.push_back(layer.weight.detach().clone());
    layer.weight.copy_from(layer.weight + scale() * matmul(layer.b, layer.a));
  }
}

void LoRA::unmerge() {
  if (before_.empty()) fail("LoRA::unmerge: wanted one that is merged; got one that is not");
  const NoGrad no_grad;
  for (size_t i = 0; i < layers_.size(); ++i) layers_[i].weight.copy_from(before_[i]);
  before_.clear();
}

}  // namespace rapt::nn
