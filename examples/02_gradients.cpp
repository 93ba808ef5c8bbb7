// Gradients: gathered in leaves by backward(), or asked for with grad(), which can be asked again.
//
//   $ 02_gradients
//   loss    f32[] 14
//   w.grad  f32[3] {2, 4, 6}
//   again   f32[3] {4, 8, 12}
//   f       f64[] 8
//   f'      f64[] 12
//   f''     f64[] 12
//   f'''    f64[] 6
//   under NoGrad requires_grad is false

#include <cstdio>

#include "rapt/autograd/autograd.h"

using namespace rapt;

int main() {
  const auto show = [](const char* name, const Tensor& t) {
    std::printf("%-7s %s\n", name, t.str().c_str());
  };
  // A leaf that asks for a gradient finds it in grad(). backward() adds: two calls, twice as much.
  Tensor w = tensor({1, 2, 3}).set_requires_grad();
  const Tensor loss = sum(w * w);
  show("loss", loss);
  loss.backward();
  show("w.grad", w.grad());
  sum(w * w).backward();
  show("again", w.grad());
  w.clear_grad();

  // grad() returns gradients and leaves grad() alone. With create_graph they are functions like any
  // other: here the first, second and third derivative of x^3 at 2.
  Tensor y = tensor(2, Dtype::f64).set_requires_grad();
  const Tensor x = y;
  y = x * x * x;
  show("f", y);
  for (const char* name : {"f'", "f''", "f'''"}) {
    y = grad({y}, {x}, {.create_graph = true})[0];
    show(name, y);
  }

  // Where no gradient is wanted none is prepared: measuring a model costs no memory for a graph.
  const NoGrad no_grad;
  std::printf("under NoGrad requires_grad is %s\n", (w * w).requires_grad() ? "true" : "false");
}
