#include "rapt/nn/recurrent/pytorch_state.h"

#include <string>

#include "rapt/autograd/assign.h"

namespace rapt::nn {
namespace {

void add_direction(NamedTensors& out, const RecurrentDirection& direction, const std::string& end) {
  out.add("weight_ih" + end, direction.weight_ih);
  out.add("weight_hh" + end, direction.weight_hh);
  if (!direction.bias_ih.defined()) return;
  out.add("bias_ih" + end, direction.bias_ih);
  out.add("bias_hh" + end, direction.bias_hh);
}

}  // namespace

NamedTensors pytorch_state(const RecurrentStack& layer) {
  NamedTensors out;
  for (size_t i = 0; i < layer.layers.size(); ++i) {
    const std::string end = "_l" + std::to_string(i);
    add_direction(out, layer.layers[i].forward, end);
    if (layer.layers[i].backward) add_direction(out, *layer.layers[i].backward, end + "_reverse");
  }
  return out;
}

void load_pytorch_state(RecurrentStack& layer, const NamedTensors& state) {
  assign("load_pytorch_state", pytorch_state(layer), state);
}

}  // namespace rapt::nn
