// A function of one's own with a gradient of one's own, and the check that would find it wrong.
//
//   $ 03_check_gradients
//   log_cosh:       the gradient agrees, to any order
//   a wrong factor: the gradient differs
//   ...

#include <cmath>
#include <cstdio>

#include "rapt/autograd/autograd.h"

using namespace rapt;

// log(cosh(x)), whose derivative is tanh(x). Written in differentiable ops, the rule can itself
// be differentiated; `slope` is here to plant a mistake.
Tensor log_cosh(const Tensor& x, double slope = 1) {
  return record(
      "log_cosh", {x},
      [&] { return softplus(abs(x) * -2) + abs(x) - std::log(2.0); },  // cosh would overflow
      [x, slope](const Backward& b) -> Gradients { return {b.grad * tanh(x) * slope}; });
}

int main() {
  Rng rng(1);
  const Tensor x = rng.normal({2, 3}, 0, 1, Dtype::f64);  // checks are made in f64

  // The full Jacobian against finite differences, then the gradient of the gradient likewise.
  const GradientReport right =
      check_gradients([](const Tensors& in) { return log_cosh(in[0]); }, {x});
  std::printf("log_cosh:       the gradient %s\n",
              right ? "agrees, to any order" : right.text.c_str());

  // One per cent off is already found, and the report says where.
  const GradientReport wrong =
      check_gradients([](const Tensors& in) { return log_cosh(in[0], 1.01); }, {x});
  std::printf("a wrong factor: the gradient %s\n", wrong ? "agrees" : "differs");
  std::puts(wrong.text.c_str());
  return right && !wrong ? 0 : 1;
}
