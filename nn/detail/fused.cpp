#include "rapt/nn/detail/fused.h"

#include "rapt/nn/forward_hook.h"

namespace rapt::nn {

Tensors call_each(const Tensor& x, std::initializer_list<const Linear*> maps) {
  Tensors out;
  if (ForwardHook::any()) {
    for (const Linear* map : maps) out.push_back((*map)(x));
    return out;
  }
  Tensors weights, biases;
  for (const Linear* map : maps) {
    weights.push_back(map->weight);
    biases.push_back(map->bias);
  }
  return linear_each(x, weights, biases);
}

Tensor call_on_gelu(const Tensor& x, Gelu form, const Linear& map) {
  if (ForwardHook::any()) return map(gelu(x, form));
  return gelu_linear(x, map.weight, map.bias, form);
}

}  // namespace rapt::nn
