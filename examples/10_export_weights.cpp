// Weights travel: out as a safetensors file whose names and layouts are PyTorch's, and back in.
//
//   $ 10_export_weights
//   up.weight    F32 [32, 8]
//   up.bias      F32 [32]
//   down.weight  F32 [8, 32]
//   down.bias    F32 [8]
//   the copy computes the same
//   load_parameters: these are weights of another configuration; nothing was loaded
//     hidden: wanted 32; got 8
//
// In Python: torch_module.load_state_dict(safetensors.torch.load_file("feed_forward.safetensors"))

#include <cstdio>

#include "rapt/rapt.h"

using namespace rapt;

int main() {
  Rng rng(1);
  nn::FeedForward layer({.width = 8}, rng);
  data::save_safetensors("feed_forward.safetensors", layer.parameters(), {{"made_by", "rapt"}});
  for (const data::TensorInfo& t : data::inspect("feed_forward.safetensors").tensors) {
    std::printf("%-12s %s %s\n", t.name.c_str(), t.dtype.c_str(), t.shape.str().c_str());
  }

  // Another layer, with other weights, takes over those of the file. So it would from PyTorch's
  // torch.nn.Sequential(OrderedDict(up=Linear(8, 32), act=GELU("tanh"), down=Linear(32, 8))).
  nn::FeedForward copy({.width = 8}, rng);
  copy.load_parameters(data::load_safetensors("feed_forward.safetensors"));
  const Tensor x = rng.normal({3, 8});
  const bool same = layer(x).values<float>() == copy(x).values<float>();
  std::puts(same ? "the copy computes the same" : "the copy computes something else");

  // What does not fit is listed name by name, and nothing is changed.
  try {
    nn::FeedForward other({.width = 8, .hidden = 8}, rng);
    data::save_safetensors("other.safetensors", other.parameters());
    layer.load_parameters(data::load_safetensors("other.safetensors"));
  } catch (const Error& e) {
    std::puts(e.what());
  }
  return same ? 0 : 1;
}
