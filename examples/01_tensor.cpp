// Tensors: how they are made, looked at from another side, and put together.
//
//   $ 01_tensor
//   x        f32[2, 3] {{1, 2, 3}, {4, 5, 6}}
//   x^T      f32[3, 2] {{1, 4}, {2, 5}, {3, 6}}
//   column   f32[2] {2, 5}
//   flat     f32[6] {1, 2, 3, 4, 5, 6}
//   x + row  f32[2, 3] {{11, 22, 33}, {14, 25, 36}}
//   x * col  f32[2, 3] {{1, 2, 3}, {-4, -5, -6}}
//   means    f32[2] {2, 5}
//   x > 2    b8[2, 3] {{false, false, true}, {true, true, true}}
//   kept     f32[2, 3] {{0, 0, 3}, {4, 5, 6}}
//   i64      i64[3] {0, 1, 2}
//   add: wanted shapes that broadcast (aligned at the last axis, equal or 1); got [2, 3] and [2]

#include <cstdio>

#include "rapt/autograd/autograd.h"

using namespace rapt;

int main() {
  const auto show = [](const char* name, const Tensor& t) {
    std::printf("%-8s %s\n", name, t.str().c_str());
  };
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});  // f32 unless told otherwise
  show("x", x);

  // Views: other shapes and orders of the same elements, without a copy.
  show("x^T", transpose(x));
  show("column", select(x, 1, 1));
  show("flat", reshape(x, {-1}));

  // Axes of length 1 stretch, and missing ones are put in front, as in NumPy.
  show("x + row", x + tensor({10, 20, 30}));           // [2, 3] + [3]
  show("x * col", x * unsqueeze(tensor({1, -1}), 1));  // [2, 3] * [2, 1]
  show("means", mean(x, -1));                          // over the last axis

  // Comparisons give b8, which where() and masked_fill() take; indices are i64.
  const Tensor large = greater(x, tensor(2));
  show("x > 2", large);
  show("kept", where(large, x, tensor(0)));
  show("i64", arange(3));

  // What does not fit is an error that says so.
  try {
    add(x, tensor({1, 2}));
  } catch (const Error& e) {
    std::puts(e.what());
  }
}
