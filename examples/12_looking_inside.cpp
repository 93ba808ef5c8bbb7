// What goes on in a model, without a change to it: outputs of layers by name, read and switched
// off; and gradients on their way back.
//
//   $ 12_looking_inside
//   blocks.0.attention       f32[1, 4, 8]
//   blocks.0.feed_forward    f32[1, 4, 8]
//   blocks.1.attention       f32[1, 4, 8]
//   blocks.1.feed_forward    f32[1, 4, 8]
//   without blocks.1 the loss is another: true
//   gradients arrive at: head.weight norm.weight norm.bias positions.weight tokens.weight
//   embedding: wanted indices in [0, 10); got 77 at position 0 of [1, 1] (in tokens)

#include <cstdio>

#include "rapt/rapt.h"

using namespace rapt;

int main() {
  Rng rng(1);
  const nn::DecoderOnly model(
      {.vocabulary = 10, .context = 8, .width = 8, .block = {.attention = {.heads = 2}}}, rng);
  const Tensor ids = from_values<int64_t>({1, 2, 3, 4}, {1, 4});
  const auto loss = [&] { return cross_entropy(model(ids), ids).mean(); };

  {
    const nn::ForwardHook hook(model, [](const nn::LayerCall& call) {
      const bool is_part = call.path.ends_with("attention") || call.path.ends_with("feed_forward");
      if (is_part)
        std::printf("%-24s %s\n", call.path.c_str(),
                    text(call.output.dtype(), call.output.shape()).c_str());
      return Tensor();  // leaves the output as it is
    });
    loss();
  }
  const double whole = loss().item();
  {
    const nn::ForwardHook without(model, [](const nn::LayerCall& call) {
      return call.path == "blocks.1" ? call.input : Tensor();
    });
    std::printf("without blocks.1 the loss is another: %s\n",
                loss().item() != whole ? "true" : "false");
  }

  // As soon as a gradient is complete, while those of older layers are still to be computed.
  std::string order;
  for (const auto& [name, parameter] : model.parameters()) {
    if (!name.starts_with("blocks")) {
      register_post_accumulate_grad_hook(parameter,
                                         [&order, name = name](Tensor&) { order += " " + name; });
    }
  }
  loss().backward();
  std::printf("gradients arrive at:%s\n", order.c_str());

  try {
    model(from_values<int64_t>({77}, {1, 1}));
  } catch (const Error& error) {
    std::puts(error.what());
  }
}
