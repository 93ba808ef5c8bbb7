// A layer of one's own. rapt/nn/attention/self_attention.h is the worked example: per-head maps, an
// einsum for the scores, a mask, a softmax, an einsum for the output. Here it is used inside
// another layer, which learns to say at each place the mean of what came before.
//
//   $ 09_self_attention_layer 30
//   attention.values.weight  [8, 8]
//   attention.keys.weight    [8, 8]
//   attention.queries.weight [8, 8]
//   attention.fc_out.weight  [16, 16]
//   attention.fc_out.bias    [16]
//   every parameter has a gradient
//   loss ... before, ... after

#include <cstdio>
#include <cstdlib>

#include "rapt/rapt.h"

using namespace rapt;

// A layer is a class with its parts as members. child() and parameter() note them under a name and
// hand them back; there is nothing else to declare.
class Averager : public nn::Module {
 public:
  Averager(int64_t width, int64_t heads, Rng& rng)
      : attention(child("attention", nn::SelfAttention(width, heads, rng))) {}

  // x [N, T, width] -> the same
  Tensor operator()(const Tensor& x) const {
    return attention(x, x, x, Mask::causal().allowed({1, 1}, x.size(1), x.size(1)));
  }

  nn::SelfAttention attention;
};

int main(int argc, char** argv) {
  const int steps = argc > 1 ? std::atoi(argv[1]) : 300;
  Rng rng(1);
  Averager model(16, 2, rng);
  const NamedTensors parameters = model.parameters();
  for (const auto& [name, parameter] : parameters) {
    std::printf("%-24s %s\n", name.c_str(), parameter.shape().str().c_str());
  }

  const auto loss_on = [&](const Tensor& x) {  // x [N, T, width]
    const Tensor seen = Mask::causal().allowed({}, x.size(1), x.size(1)).to(Dtype::f32);  // [T, T]
    const Tensor mean_so_far = matmul(seen / sum(seen, -1, {.keepdim = true}), x);  // [N, T, width]
    return mse_loss(model(x), mean_so_far).mean();
  };
  const Tensor unseen = rng.normal({50, 10, 16});
  const double before = loss_on(unseen).item();
  optim::Adam adam(parameters, {.lr = 0.01});
  for (int step = 0; step < steps; ++step) {
    adam.zero_grad();
    loss_on(rng.normal({20, 10, 16})).backward();
    if (step == 0) {
      const nn::GradientFlow flow = nn::check_gradient_flow(parameters);
      std::puts(flow ? "every parameter has a gradient" : flow.text.c_str());
    }
    adam.step();
  }
  std::printf("loss %.4f before, %.4f after\n", before, loss_on(unseen).item());
}
