// A function of one's own with a gradient of one's own, and the check that would find it wrong.
//
//   $ 03_check_gradients
//   softplus:       the gradient agrees, to any order
//   a wrong factor: the gradient differs
//   ...

#include <cstdio>

#include "rapt/autograd/autograd.h"

using namespace rapt;

// log(1 + e^x), whose derivative is the sigmoid. Written in differentiable ops, the rule can itself
// be differentiated; `slope` is here to plant a mistake.
Tensor softplus(const Tensor& x, double slope = 1) {
  return record(
      "softplus", {x},
      [&] { return maximum(x, 0) + log(exp(-abs(x)) + 1); },  // exp never overflows
      [x, slope](const Backward& b) -> Gradients { return {b.grad * sigmoid(x) * slope}; });
}

int main() {
  Rng rng(1);
  const Tensor x = rng.normal({2, 3}, 0, 1, Dtype::f64);  // checks are made in f64

  // The full Jacobian against finite differences, then the gradient of the gradient likewise.
  const GradientReport right =
      check_gradients([](const Tensors& in) { return softplus(in[0]); }, {x});
  std::printf("softplus:       the gradient %s\n",
              right ? "agrees, to any order" : right.text.c_str());

  // One per cent off is already found, and the report says where.
  const GradientReport wrong =
      check_gradients([](const Tensors& in) { return softplus(in[0], 1.01); }, {x});
  std::printf("a wrong factor: the gradient %s\n", wrong ? "agrees" : "differs");
  std::puts(wrong.text.c_str());
  return right && !wrong ? 0 : 1;
}
