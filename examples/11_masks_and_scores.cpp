// Who may attend to whom, as a value; and a score of one's own, whose slope is learned (as ALiBi's,
// arXiv:2108.12409, which is fixed).
//
//   $ 11_masks_and_scores
//   causal, of a window of 2, where only 4 keys are there:
//     @....
//     @@...
//     .@@..
//     ..@@.
//     ...@.
//   the gradient of the slope, by finite differences as well: true

#include <cstdio>

#include "rapt/rapt.h"

using namespace rapt;

int main() {
  const Tensor lengths = from_values<int64_t>({4});  // one for each entry of the batch
  const Mask mask = Mask::causal() & Mask::window(1, 0) & Mask::lengths(lengths);
  std::puts("causal, of a window of 2, where only 4 keys are there:");
  const Tensor allowed = mask.allowed({1}, 5, 5)[0];
  for (int64_t i = 0; i < 5; ++i) {
    std::string row = "  ";
    for (const bool may : allowed[i].values<bool>()) row += may ? '@' : '.';
    std::puts(row.c_str());
  }

  // Called block by block, again in backward: nothing of the size queries x keys is kept.
  const auto attend = [&](const Tensors& in) {
    const Score score = Score().then([slope = in[3]](const Tensor& s, const AttentionBlock& b) {
      return s + slope * (b.keys - b.rows).to(s.dtype());
    });
    return attention(in[0], in[1], in[2], {.mask = Mask::causal(), .score = score});
  };
  Rng rng(1);
  const auto draw = [&] { return rng.normal({5, 2}, 0, 1, Dtype::f64); };
  const Tensors inputs = {draw(), draw(), draw(), tensor(0.1, Dtype::f64)};
  const GradientReport report = check_gradients(attend, inputs);
  std::printf("the gradient of the slope, by finite differences as well: %s\n",
              report ? "true" : report.text.c_str());
}
