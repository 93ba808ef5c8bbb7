// The smallest training: a linear layer finds the line that made the data.
//
//   $ 05_regression
//   step   0  loss ...
//   step 100  loss ...
//   step 200  loss ...
//   step 300  loss 0.00...
//   weight f32[1, 2] {{2.00..., -0.99...}}  wanted {2, -1}
//   bias   f32[1] {0.50...}  wanted {0.5}

#include <cstdio>

#include "rapt/rapt.h"

using namespace rapt;

int main() {
  Rng rng(1);
  const Tensor x = rng.normal({200, 2});  // [N, 2]
  const Tensor noise = rng.normal({200, 1}, 0, 0.1);
  const Tensor y = matmul(x, unsqueeze(tensor({2, -1}), 1)) + 0.5 + noise;  // [N, 1]

  nn::Linear line(2, 1, rng);
  optim::Adam adam(line.parameters(), {.lr = 0.05});
  for (int step = 0; step <= 300; ++step) {
    adam.zero_grad();
    const Tensor loss = mse_loss(line(x), y).mean();
    if (step % 100 == 0) std::printf("step %3d  loss %.4f\n", step, loss.item());
    loss.backward();
    adam.step();
  }
  std::printf("weight %s  wanted {2, -1}\n", line.weight.str().c_str());
  std::printf("bias   %s  wanted {0.5}\n", line.bias.str().c_str());
}
